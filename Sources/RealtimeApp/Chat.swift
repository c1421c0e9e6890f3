import Synchronization
import WebSocketServer

/// Everyone who is connected to one room, on whatever loop.
final class ChatRoom: Sendable {
    private let members = Mutex<Set<Connection>>([])

    func join(_ connection: Connection) {
        members.withLock { _ = $0.insert(connection) }
    }

    func leave(_ connection: Connection) {
        members.withLock { _ = $0.remove(connection) }
    }

    /// Sends to all members, the sender included; one that can't be reached stops no one else.
    func broadcast(_ bytes: [UInt8], as kind: MessageKind) {
        let all = members.withLock { $0 }
        for member in all { member.send(bytes, as: kind) }
    }
}

/// A client of the chat (S2): what it says reaches all, and so does its leaving.
final class ChatMember: ConnectionHandler {
    private let clientID: Int
    private let room: ChatRoom
    private let logger: Logger

    init(clientID: Int, room: ChatRoom, logger: Logger) {
        self.clientID = clientID
        self.room = room
        self.logger = logger
    }

    func onOpen(_ connection: Connection) { room.join(connection) }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        room.broadcast([UInt8]("Client \(clientID): ".utf8) + payload.bytes, as: kind)
    }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        room.leave(connection)
        room.broadcast([UInt8]("Client \(clientID) left the chat".utf8), as: .text)
        logger.info(
            "client left the chat", metadata: ["client": "\(clientID)", "code": "\(code.rawValue)"])
    }
}

/// Sends each message as it is to every connection of its route, for load tools.
final class Broadcaster: ConnectionHandler {
    private let room: ChatRoom

    init(room: ChatRoom) { self.room = room }

    func onOpen(_ connection: Connection) { room.join(connection) }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        room.broadcast(payload.bytes, as: kind)
    }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        room.leave(connection)
    }
}
