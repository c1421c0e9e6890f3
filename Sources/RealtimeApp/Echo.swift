import WebSocketServer

/// A handler that answers each text message with a prefix and the message, and each binary message
/// likewise, in bytes.
final class Echo: ConnectionHandler, Sendable {
    private let prefix: [UInt8]
    private let logger: Logger

    init(prefix: String, logger: Logger) {
        self.prefix = [UInt8](prefix.utf8)
        self.logger = logger
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        connection.send(prefix + [UInt8](payload), as: kind)
    }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        logger.debug(
            "echo client left",
            metadata: ["connection": "\(connection.id)", "code": "\(code.rawValue)"])
    }
}
