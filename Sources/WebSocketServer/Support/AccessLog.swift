import Logging
import UVTransport

/// The access log of one loop, see ``AccessLogConfiguration``. For that loop's thread.
final class AccessLog {
    private let logger: Logger
    private let loop: EventLoop
    private var sampling: LineSampling

    init(_ options: AccessLogConfiguration, loop: EventLoop) {
        logger = options.logger
        sampling = LineSampling(max: options.linesPerSecondMax)
        self.loop = loop
    }

    /// The time from which durations are measured.
    var now: UInt64 { loop.nanoseconds }

    /// Logs the end of a request.
    ///
    /// - Parameters:
    ///   - entry: The request; `nil` if it was invalid.
    ///   - status: The status of the response; `nil` if the connection has ended before it.
    ///   - bytes: The bytes of the response's body so far.
    func logRequest(
        _ entry: AccessEntry?, connection: UInt64, peer: SocketAddress, status: Int?, bytes: Int,
        reason: String?
    ) {
        log("request", entry, connection, peer) { fields in
            if let status { fields["status"] = .stringConvertible(status) }
            fields["bytes"] = .stringConvertible(bytes)
            if let reason, !reason.isEmpty { fields["reason"] = "\(reason)" }
        }
    }

    /// Logs the end of a WebSocket.
    func logWebSocket(
        _ entry: AccessEntry?, connection: UInt64, peer: SocketAddress, code: UInt16,
        reason: String, traffic: StreamTraffic?
    ) {
        log("websocket", entry, connection, peer) { fields in
            fields["status"] = .stringConvertible(101)
            fields["code"] = .stringConvertible(code)
            if !reason.isEmpty { fields["reason"] = "\(reason)" }
            if let traffic {
                fields["bytes_received"] = .stringConvertible(traffic.bytesReceived)
                fields["bytes_sent"] = .stringConvertible(traffic.bytesSent)
            }
        }
    }

    /// Logs a connection that has ended without a request.
    func logConnection(_ connection: UInt64, peer: SocketAddress, reason: String) {
        log("connection", nil, connection, peer) { fields in
            fields["reason"] = "\(reason.isEmpty ? "the client sent no request" : reason)"
        }
    }

    private func log(
        _ message: Logger.Message, _ entry: AccessEntry?, _ connection: UInt64,
        _ peer: SocketAddress, _ addFields: (inout Logger.Metadata) -> Void
    ) {
        guard let leftOut = sampling.admit(at: loop.now) else { return }
        var fields: Logger.Metadata = ["connection": "\(connection)", "address": "\(peer)"]
        if let entry {
            let tenths = (now &- entry.began) / 100_000
            fields["duration_ms"] = .stringConvertible(Double(tenths) / 10)
            fields["method"] = "\(entry.method)"
            fields["path"] = "\(entry.path)"
            fields["request"] = "\(entry.requestID)"
            if let route = entry.route { fields["route"] = "\(route)" }
        }
        addFields(&fields)
        if leftOut > 0 { fields["left_out"] = .stringConvertible(leftOut) }
        logger.info(message, metadata: fields)
    }
}

/// The part of an access line that is known when a request begins.
final class AccessEntry {
    let method: String
    let path: String
    /// The path pattern of the route; `nil` if no route matches.
    let route: String?
    var requestID: String
    /// The time when the request's head had arrived.
    let began: UInt64

    init(method: String, path: String, route: String?, requestID: String, began: UInt64) {
        self.method = method
        self.path = path
        self.route = route
        self.requestID = requestID
        self.began = began
    }
}

/// The choice of the lines that are logged in a flood: the first ones of each second.
struct LineSampling {
    private let max: Int?
    private var secondBegan: UInt64 = 0
    private var count = 0
    private var leftOut = 0

    /// - Parameter max: The number of lines in a second; `nil` is no limit.
    init(max: Int?) { self.max = max }

    /// Returns the number of lines left out since the last one; `nil` if this one is left out, too.
    ///
    /// - Parameter now: The time in milliseconds.
    mutating func admit(at now: UInt64) -> Int? {
        guard let max else { return 0 }
        if now &- secondBegan >= 1_000 {
            secondBegan = now
            count = 0
        }
        guard count < max else {
            leftOut += 1
            return nil
        }
        count += 1
        defer { leftOut = 0 }
        return leftOut
    }
}
