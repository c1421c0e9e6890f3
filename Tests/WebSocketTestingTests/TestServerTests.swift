import HTTPTypes
import Testing
import WebSocketServer
import WebSocketTesting

/// A router with the kinds of routes that applications have.
private var router: Router {
    var router = Router()
    router.webSocket("/echo") { connection in
        for try await message in connection.messages { try await connection.send(message) }
    }
    router.upgrade("/chat/{room}") { request in
        .accept(Chat(topic: "room/\(request.parameters["room"] ?? "")"))
    }
    router.upgrade("/closed") { _ in .refuse(.forbidden, "members only") }
    router.get("/hello") { _ in .text("hello") }
    router.post("/length") { request in .text("\(request.body.count)") }
    return router
}

/// A handler that passes messages on to all in its room.
private final class Chat: ConnectionHandler, Sendable {
    private let topic: String

    init(topic: String) { self.topic = topic }

    func onOpen(_ connection: Connection) { connection.subscribe(to: topic) }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        connection.publish(payload, as: kind, to: topic)
    }
}

@Suite struct TestServerTests {
    @Test("A message is answered by the time that it is sent")
    func echo() async throws {
        try await withTestServer(router) { app in
            let client = try await app.connect("/echo")
            await client.send("one")
            await client.send([2, 3])
            #expect(await client.receiveAvailable() == [Message("one"), Message([2, 3])])
            #expect(await client.receiveAvailable().isEmpty)
            #expect(try await client.close() == TestEnd(.normalClosure))
            #expect(await app.server.counters().opened == 1)
        }
    }

    @Test("Publications reach the subscribers of their topic, and nobody else")
    func topics() async throws {
        try await withTestServer(router) { app in
            let seven = [try await app.connect("/chat/7"), try await app.connect("/chat/7")]
            let eight = try await app.connect("/chat/8")
            await seven[0].send("hi")
            for client in seven { #expect(try await client.receive() == Message("hi")) }
            #expect(await eight.receiveAvailable().isEmpty)
            #expect(Set(await app.server.topics().map(\.name)) == ["room/7", "room/8"])
        }
    }

    @Test("Requests are answered, and refused upgrades say why")
    func requests() async throws {
        try await withTestServer(router) { app in
            let response = try await app.get("/hello")
            #expect(response.status == .ok && response.text == "hello")
            #expect(response.headerFields[.date] == "Thu, 01 Jan 2026 00:00:00 GMT")
            #expect(try await app.request(.head, "/hello").body.isEmpty)
            #expect(try await app.request(.post, "/length", body: "four").text == "4")
            #expect(try await app.get("/nowhere").status == .notFound)
            await app.advance(by: .seconds(60))
            #expect(
                try await app.get("/hello").headerFields[.date]
                    == "Thu, 01 Jan 2026 00:01:00 GMT")
            let error = await #expect(throws: ClientError.self) {
                _ = try await app.connect("/closed")
            }
            #expect(error?.status == 403)
        }
    }

    @Test("Compression is negotiated as with any client")
    func compression() async throws {
        try await withTestServer(router) {
            $0.compression = Compression()
        } _: { app in
            let client = try await app.connect("/echo", compression: Compression())
            #expect(client.response.headerFields[.secWebSocketExtensions] != nil)
            let text = String(repeating: "text ", count: 1_000)
            await client.send(text)
            #expect(try await client.receive() == Message(text))
            #expect(await app.server.counters().compression.messagesInflated == 1)
        }
    }

    @Test("A handler that works elsewhere is waited for")
    func elsewhere() async throws {
        var router = Router()
        router.webSocket("/") { connection in
            for try await message in connection.messages {
                await Task.detached { await Task.yield() }.value
                try await connection.send(message)
            }
        }
        try await withTestServer(router) { app in
            let client = try await app.connect("/")
            for number in 0..<10 {
                await client.send("\(number)")
                #expect(try await client.receive() == Message("\(number)"))
            }
        }
    }

    @Test("What doesn't come within the limit is an error that says so")
    func limit() async throws {
        try await withTestServer(router) { app in
            let client = try await app.connect("/echo")
            let error = await #expect(throws: DeadlineError.self) {
                _ = try await client.receive(within: .milliseconds(1))
            }
            #expect(error?.description.contains("advance the clock") == true)
        }
    }

    @Test("Addresses of clients count as on a network")
    func addresses() async throws {
        try await withTestServer(router) {
            $0.limits.connectionsPerAddressMax = 1
        } _: { app in
            let first = try await app.connect("/echo", from: "198.51.100.1")
            let second = try await app.connect("/echo", from: "198.51.100.1")
            #expect(try await second.waitUntilClosed().code == .policyViolation)
            let other = try await app.connect("/echo", from: "2001:db8::1")
            for client in [first, other] {
                await client.send("hi")
                #expect(try await client.receive() == Message("hi"))
            }
            await #expect(throws: TestFailure.self) { _ = try await app.open(from: "localhost") }
        }
    }

    @Test("A stopped server opens no connection, and its clients learn of their end")
    func stopped() async throws {
        let app = try await TestServer(router)
        let client = try await app.connect("/echo")
        try await app.stop()
        await #expect(throws: TestFailure.self) { _ = try await app.open() }
        await #expect(throws: TestFailure.self) { _ = try await app.connect("/echo") }
        await #expect(throws: TestFailure.self) { _ = try await app.get("/hello") }
        await #expect(throws: TestEnd.self) { _ = try await client.receive() }
    }

    @Test("A server that is let go without a stop ends by itself")
    func abandoned() async throws {
        let app = try await TestServer(router)
        _ = try await app.connect("/echo")
    }
}
