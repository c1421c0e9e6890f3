public import Logging

/// An access log: one line for each request and each upgrade, when its response is known.
///
/// A line has the method, the path without its query, the status, the duration in milliseconds, the
/// bytes of the body, the client's address, and the request's identifier if there is a ``RequestID``.
/// The duration of a streamed response ends where its body begins. If the client left before the
/// response, the line also has `cancelled`.
public struct LogRequests: LoggingMiddleware {
    private let level: Logger.Level
    /// The logger; `nil` before the server has given its own.
    private let logger: Logger?

    /// Creates a log.
    ///
    /// - Parameters:
    ///   - logger: The server's logger by default. Its handler must not block, since event loops
    ///     log.
    ///   - level: The level of the lines.
    public init(_ logger: Logger? = nil, level: Logger.Level = .info) {
        self.logger = logger
        self.level = level
    }

    func defaulting(to logger: Logger) -> any Middleware {
        LogRequests(self.logger ?? logger, level: level)
    }

    public func handle(
        _ request: Request, next: (Request) async throws -> Response
    ) async throws -> Response {
        let began = ContinuousClock.now
        let response = try await next(request)
        guard let logger, logger.logLevel <= level else { return response }
        let tenths = began.duration(to: .now) / .microseconds(100)
        var metadata: Logger.Metadata = [
            "method": "\(request.head.method.rawValue)", "path": "\(request.head.loggedPath)",
            "status": "\(response.status.code)", "peer": "\(request.remoteAddress)",
            "duration_ms": "\(tenths.rounded() / 10)",
            "bytes": response.stream == nil ? "\(response.body.count)" : "streamed",
        ]
        if Task.isCancelled { metadata["cancelled"] = "true" }
        // `RequestID` may be outside of this middleware, or inside.
        let outer = request.values[RequestID.self]
        if let id = outer ?? response.headerFields[RequestID.fieldName] {
            metadata["request_id"] = "\(id)"
        }
        logger.log(level: level, "request", metadata: metadata)
        return response
    }
}
