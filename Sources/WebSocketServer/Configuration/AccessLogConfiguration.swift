public import Logging

/// The access log: one line for each request, each WebSocket that has ended, and each connection
/// that has ended without a request.
///
/// A line has the connection's number, the request's identifier (`X-Request-ID` if there is a valid
/// one), the client's address, the method, the path without its query, the path pattern of the
/// route, the status and the duration in milliseconds. A request's line also has the bytes of the
/// response's body, and the reason if the server itself refuses it. A WebSocket's line has the
/// bytes that the whole connection has received and sent, as far as the kernel knows them, the close
/// code and the reason.
public struct AccessLogConfiguration: Sendable {
    /// The logger of the lines, whose level is `info`. Its handler must not block, since event
    /// loops log.
    public var logger: Logger
    /// The number of lines that each event loop writes in a second; `nil` is no limit. Further ones
    /// are left out, and the next line has their number as `left_out`. Default 1,000.
    public var linesPerSecondMax: Int? = 1_000

    /// Makes the configuration of an access log with 1,000 lines a second for each event loop.
    public init(logger: Logger) { self.logger = logger }
}
