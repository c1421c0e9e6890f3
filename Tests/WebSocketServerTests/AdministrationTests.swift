import HTTPTypes
import Testing
import WebSocketProtocol
import WebSocketServer
import WebSocketTesting

/// A handler that subscribes to a topic, and names its user.
private final class Member: ConnectionHandler, Sendable {
    func onOpen(_ connection: Connection) {
        connection.subscribe(to: "room")
        connection.setUser("ada")
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        connection.setUser(nil)
    }
}

@Suite("Administration") struct AdministrationTests {
    private static var router: Router {
        var router = Router()
        router.upgrade("/rooms/{room}") { request in
            .accept(Member(), subprotocol: request.subprotocol(among: ["chat"]))
        }
        router.webSocket("/echo") { connection in
            for try await message in connection.messages { try await connection.send(message) }
        }
        router.get("/ready") { request in .text(request.isDraining ? "no" : "yes") }
        return router
    }

    @Test("A connection is described") func description() async throws {
        let app = try await TestServer(Self.router)
        let client = try await app.connect(
            "/rooms/7", subprotocols: ["chat"], from: "192.0.2.9")
        await app.advance(by: .seconds(2))
        let found = await app.server.connections()
        #expect(found.count == 1)
        let one = try #require(found.connections.first)
        #expect(one.state == .open && one.address.hasPrefix("192.0.2.9"))
        #expect(one.route == "/rooms/{room}" && one.subprotocol == "chat")
        #expect(one.user == "ada" && one.topics == ["room"] && one.topicCount == 1)
        #expect((.seconds(1.9)...(.seconds(2.1))).contains(one.age))
        #expect(one.idle == one.age)
        #expect(one.bytesSent == nil && one.roundTrip == nil, "there is no socket")
        await client.send("x")
        let later = try #require(await app.server.connections().connections.first)
        #expect(later.user == nil && later.idle == .zero)
        try await app.stop()
    }

    @Test("All conditions of a filter must be met") func filters() async throws {
        let app = try await TestServer(Self.router)
        var clients: [TestClient] = []
        clients.append(try await app.connect("/rooms/1", from: "192.0.2.1"))
        clients.append(try await app.connect("/rooms/2", from: "198.51.100.1"))
        clients.append(try await app.connect("/echo", from: "192.0.2.1"))
        func count(_ change: (inout ConnectionFilter) -> Void) async -> Int {
            var filter = ConnectionFilter()
            change(&filter)
            return await app.server.connections(where: filter, limit: 0).count
        }
        #expect(await count { _ in } == 3)
        #expect(await count { $0.user = "ada" } == 2)
        #expect(await count { $0.route = "/rooms/{room}" } == 2)
        #expect(await count { $0.route = "/ready" } == 0)
        #expect(await count { $0.topic = "room" } == 2)
        #expect(await count { $0.topic = "hall" } == 0)
        #expect(await count { $0.addresses = TrustedProxy("192.0.2.0/24") } == 2)
        #expect(
            await count {
                $0.addresses = TrustedProxy("192.0.2.1")
                $0.user = "ada"
            } == 1)
        let first = try #require(await app.server.connections().connections.first)
        #expect(await count { $0.id = first.id } == 1)
        try await app.stop()
    }

    @Test("A search through many connections finds each one once, also while they are closed")
    func manyConnections() async throws {
        // More than two slices.
        let app = try await TestServer(Self.router)
        var clients: [TestClient] = []
        for number in 0..<1_200 {
            let address = number % 3 == 0 ? "192.0.2.1" : "192.0.2.2"
            clients.append(try await app.connect("/echo", from: address))
        }
        let found = await app.server.connections(limit: 10)
        #expect(found.count == 1_200)
        #expect(found.connections.map(\.id) == found.connections.map(\.id).sorted())
        #expect(found.connections.count == 10)
        var filter = ConnectionFilter()
        filter.addresses = TrustedProxy("192.0.2.1")
        #expect(await app.server.disconnect(where: filter, code: 4003, reason: "bye") == 400)
        let end = try await clients[0].waitUntilClosed()
        #expect(end.code == 4003 && end.reason == "bye")
        await app.settle()
        #expect(await app.server.connections(limit: 0).count == 800)
        #expect(await app.server.disconnect(where: ConnectionFilter()) == 800)
        await app.settle()
        #expect(await app.server.connections().count == 0)
        try await app.stop()
    }

    @Test("A drained server refuses upgrades and serves everything else, until it is undrained")
    func drained() async throws {
        let app = try await TestServer(Self.router)
        let client = try await app.connect("/echo")
        app.server.drain()
        #expect(app.server.isDraining)
        do {
            _ = try await app.connect("/echo")
            Issue.record("the upgrade was accepted")
        } catch let error as ClientError {
            #expect(error.response?.status == .serviceUnavailable)
            #expect(error.response?.headerFields[.retryAfter] != nil)
        }
        #expect(try await app.get("/ready").text == "no")
        await client.send("still there")
        #expect(try await client.receive() == Message("still there"))
        app.server.undrain()
        #expect(!app.server.isDraining)
        #expect(try await app.get("/ready").text == "yes")
        _ = try await app.connect("/echo")
        try await app.stop()
    }

    @Test("A server that doesn't run has no connections") func notRunning() async throws {
        let server = try Server(configuration: ServerConfiguration(), router: Self.router)
        #expect(await server.connections().count == 0)
        #expect(await server.disconnect(where: ConnectionFilter()) == 0)
        #expect(!server.isRunning)
    }
}
