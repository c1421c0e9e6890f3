import Logging
import WebSocketServer

/// A member of the chat. Its messages and its leaving are sent to all members.
final class ChatMember: ConnectionHandler {
    private static let topic = "chat"
    private let clientID: Int
    private let logger: Logger

    init(clientID: Int, logger: Logger) {
        self.clientID = clientID
        self.logger = logger
    }

    func onOpen(_ connection: Connection) { connection.subscribe(to: Self.topic) }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        let said = [UInt8]("Client \(clientID): ".utf8) + [UInt8](payload)
        connection.publish(said, as: kind, to: Self.topic)
    }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        connection.publish("Client \(clientID) left the chat", to: Self.topic)
        logger.debug(
            "client left the chat", metadata: ["client": "\(clientID)", "code": "\(code.rawValue)"])
    }
}
