import WebSocketServer
final class Lobby: ConnectionHandler {  // runs on its connection's loop, never suspends
    func onOpen(_ connection: Connection) { connection.subscribe(to: "lobby") }
    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        connection.publish(payload, as: kind, to: "lobby")
    }
}
var router = Router()
router.webSocket("/lobby") { _ in .accept(Lobby()) }
router.webSocket("/echo") { connection in  // async/await, on the same loop
    for try await message in connection.messages { try await connection.send(message) }
}
var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: 8080))
configuration.limits.messageSizeMax = .kibibytes(64)
try await Server(configuration: configuration, router: router).run()  // a lifecycle Service
