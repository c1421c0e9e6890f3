import Testing
import WebSocketServer
import WebSocketTesting

@Suite("Faults of connections in memory") struct TestConnectionTests {
    private static var echo: Router {
        var router = Router()
        router.webSocket("/") { connection in
            for try await message in connection.messages { try await connection.send(message) }
        }
        return router
    }

    @Test("A client that doesn't read makes the server wait")
    func stall() async throws {
        try await withTestServer(Self.echo) { app in
            let client = try await app.connect("/")
            await client.stall()
            let payload = [UInt8](repeating: 7, count: 100_000)
            for _ in 0..<50 { await client.send(payload) }
            #expect(await client.unreadCount == WireConfiguration().capacity)
            #expect(await client.receiveAvailable().isEmpty)
            let before = await app.server.counters().messages.messagesSent
            #expect(before < 50)
            await client.resume()
            for _ in 0..<50 { #expect(try await client.receive() == Message(payload)) }
            #expect(await client.unreadCount == 0)
        }
    }

    @Test("A cut is noticed by both sides at once")
    func cut() async throws {
        try await withTestServer(Self.echo) { app in
            let client = try await app.connect("/")
            await client.cut()
            #expect(app.server.connectionCount == 0)
            #expect(await client.end?.code == 1006)
            await #expect(throws: TestEnd.self) { _ = try await client.receive() }
        }
    }

    @Test("A connection that has vanished ends by its heartbeat")
    func vanish() async throws {
        try await withTestServer(Self.echo) { app in
            let client = try await app.connect("/")
            await client.vanish()
            await client.send("into the void")
            await app.advance(by: .seconds(26))
            #expect(app.server.connectionCount == 1)
            await app.advance(by: .seconds(60))
            #expect(app.server.connectionCount == 0)
            #expect(await app.server.counters().heartbeatTimeouts == 1)
            #expect(await client.end == nil)
        }
    }

    @Test("Bytes may come one at a time")
    func singleBytes() async throws {
        try await withTestServer(Self.echo) { app in
            var wire = WireConfiguration()
            wire.pieceSizeMax = 1
            let client = try await app.connect("/", wire: wire)
            await client.send("one by one")
            #expect(try await client.receive() == Message("one by one"))
        }
    }

    @Test("A socket sees the bytes, and the end of the stream")
    func socket() async throws {
        try await withTestServer(Self.echo) { app in
            let socket = try await app.open()
            await socket.send("GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let answer = try await socket.readToEnd()
            #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 404 "))
            #expect(await socket.end == .end)
            await #expect(throws: SocketEnd.end) { _ = try await socket.read(1) }
        }
    }
}

@Suite struct RecordingConnectionTests {
    /// A handler of a chat with commands.
    private final class Chat: ConnectionHandler, Sendable {
        func onOpen(_ connection: Connection) { connection.subscribe(to: "lobby") }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            switch String(payload) {
            case "leave": connection.unsubscribe(from: "lobby")
            case "quit": connection.close(.normalClosure, reason: "bye")
            case "later":
                connection.setDeadline(after: .seconds(5)) { $0.send("now") }
            case let text:
                connection.publish(payload, as: kind, to: "lobby")
                connection.send("sent \(text)")
            }
        }
    }

    @Test("What a handler sends, publishes and subscribes to is recorded")
    func recorded() async throws {
        let connection = try await RecordingConnection(to: Chat())
        #expect(await connection.subscriptions == ["lobby"])
        await connection.deliver("hello")
        #expect(connection.published == [RecordedPublication(Message("hello"), to: "lobby")])
        #expect(Set(await connection.sent) == [Message("hello"), Message("sent hello")])
        await connection.deliver("leave")
        #expect(await connection.subscriptions == [])
        await connection.deliver("later")
        await connection.app.advance(by: .seconds(5))
        #expect(await connection.sent.last == Message("now"))
        #expect(await connection.end == nil)
        await connection.deliver("quit")
        #expect(await connection.end == TestEnd(.normalClosure, "bye"))
        try await connection.stop()
    }

    @Test("A handler hears of a close and of a break")
    func ends() async throws {
        let connection = try await RecordingConnection(to: Chat())
        try await connection.close(4_000, reason: "done")
        #expect(await connection.end?.code == 4_000)
        #expect(await connection.subscriptions == [])
        try await connection.stop()
        let other = try await RecordingConnection(to: Chat())
        await other.cut()
        #expect(await other.end?.code == 1006)
        try await other.stop()
    }
}
