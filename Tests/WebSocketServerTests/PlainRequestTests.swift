import HTTPTypes
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Plain requests of a WebSocket's path") struct PlainRequestTests {
    private static func router(_ recorder: Recorder = Recorder()) -> Router {
        var router = Router()
        router.upgrade("/ws") { _ in .accept(recorder) }
        router.upgrade("/later") { _ in .accept(recorder, awaitsAuthentication: true) }
        router.upgrade("/token") { request in
            guard request.head.headerFields[.authorization] == "Bearer good" else {
                throw Problem(
                    .unauthorized, "A token is needed.",
                    headerFields: [.wwwAuthenticate: "Bearer"])
            }
            return .accept(recorder)
        }
        router.upgrade("/gone") { _ in .refuse(.gone, "It has moved on.") }
        router.upgrade("/busy") { _ in
            throw Problem(.serviceUnavailable, "Later.", headerFields: [.retryAfter: "7"])
        }
        router.upgrade("/fails") { _ in throw CancellationError() }
        router.upgrade("/speaks") { request in
            guard let chosen = request.subprotocol(among: ["chat"]) else {
                return .refuse(.badRequest, "Offer the subprotocol chat.")
            }
            return .accept(recorder, subprotocol: chosen)
        }
        router.upgrade("/room/{id:int}") { request in
            request.parameters.integer("id") < 10
                ? .accept(recorder) : .refuse(.notFound, "There is no such room.")
        }
        router.webSocket("/talk") { connection in try await connection.send("hello") }
        return router
    }

    /// Status, content and header fields but those of the time and of the connection.
    private struct Answer: Equatable {
        let status: String
        let fields: [String]
        let body: String

        init(_ response: (head: String, body: String)) {
            let lines = response.head.split(separator: "\r\n").map(String.init)
            status = lines[0]
            fields = lines.dropFirst().map { $0.lowercased() }.filter { line in
                !["date:", "connection:"].contains { line.hasPrefix($0) }
            }.sorted()
            body = response.body
        }
    }

    private static func plain(_ method: String, _ path: String, _ fields: String = "") -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
    }

    @Test(
        "are refused as an upgrade is, to the letter",
        arguments: [
            ("/token", "", 401), ("/token", "Authorization: Bearer bad\r\n", 401),
            ("/gone", "", 410), ("/busy", "", 503), ("/fails", "", 500), ("/speaks", "", 400),
            ("/speaks", "Sec-WebSocket-Protocol: chat, chat\r\n", 400),
            ("/room/10", "", 404), ("/room/x", "", 422), ("/nowhere", "", 404),
            ("/ws", "Origin: http://evil.example\r\n", 403),
        ])
    func refusals(path: String, fields: String, status: Int) async throws {
        try await withServer(Self.router()) { server in
            let client = try server.raw()
            try await client.send(RawClient.upgradeRequest(path, fields))
            let refused = Answer(try await client.readResponse())
            #expect(refused.status.hasPrefix("HTTP/1.1 \(status) "))
            // The connection stays open after each request.
            try await client.send(Self.plain("GET", path, fields))
            #expect(Answer(try await client.readResponse()) == refused)
            try await client.send(Self.plain("HEAD", path, fields))
            #expect(Answer((try await client.readHead(), refused.body)) == refused)
            try await client.send(Self.plain("GET", "/ws"))
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 426 "))
        }
    }

    @Test(
        "are answered 426 where an upgrade is accepted, and open nothing",
        arguments: [
            ("/ws", ""), ("/later", ""), ("/token", "Authorization: Bearer good\r\n"),
            ("/speaks", "Sec-WebSocket-Protocol: chat\r\n"), ("/room/9", ""), ("/talk", ""),
            ("/ws", "Origin: http://localhost\r\n"), ("/ws", "Referer: http://localhost/a/b\r\n"),
        ], ["GET", "HEAD"])
    func accepted(route: (path: String, fields: String), method: String) async throws {
        let recorder = Recorder()
        try await withServer(Self.router(recorder)) { server in
            let client = try server.raw()
            try await client.send(Self.plain(method, route.path, route.fields))
            let head = try await client.readHead()
            #expect(head.hasPrefix("HTTP/1.1 426 "))
            #expect(head.lowercased().contains("\r\nupgrade: websocket\r\n"))
        }
        #expect(recorder.events.all.isEmpty)
    }

    @Test(
        "without an origin are refused for the page that a Referer names",
        arguments: [
            "http://evil.example/", "http://evil.example/a//b", "http://evil.example",
            "http://localhost:81/", "/", "nonsense", "https://localhost.evil.example/",
        ])
    func referrers(_ referrer: String) async throws {
        try await withServer(Self.router()) { server in
            let client = try server.raw()
            try await client.send(Self.plain("GET", "/ws", "Referer: \(referrer)\r\n"))
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 403 "))
            // The browser's word on an upgrade is its Origin alone.
            try await client.upgrade("/ws", "Referer: \(referrer)\r\n")
        }
    }

    @Test("by HTTP/1.0 are refused the same")
    func oldVersion() async throws {
        try await withServer(Self.router()) { server in
            for (path, status) in [("/gone", 410), ("/ws", 426)] {
                let client = try server.raw()
                try await client.send("GET \(path) HTTP/1.0\r\n\r\n")
                #expect(try await client.readResponse().head.contains(" \(status) "))
            }
        }
    }

    @Test("are told apart by the route, which is asked once for each")
    func isPlain() async throws {
        let asked = Reports<Bool>()
        var router = Router()
        router.upgrade("/ws") { request in
            asked.add(request.isPlain)
            return .accept(Recorder())
        }
        try await withServer(router) { server in
            let client = try server.raw()
            try await client.send(Self.plain("GET", "/ws"))
            _ = try await client.readResponse()
            try await client.send(Self.plain("HEAD", "/ws"))
            _ = try await client.readHead()
        }
        try await withServer(router) { server in _ = try await server.upgraded() }
        #expect(asked.all == [true, true, false])
    }

    @Test("are answered 503 where the limit of connections is in use")
    func limit() async throws {
        try await withServer(Self.router()) {
            $0.limits.connectionsMax = 1
        } _: { server in
            let used = try await server.upgraded()
            let client = try server.raw()
            for path in ["/ws", "/later"] {
                try await client.send(Self.plain("GET", path))
                let response = try await client.readResponse()
                #expect(response.head.hasPrefix("HTTP/1.1 503 "))
                #expect(response.head.lowercased().contains("\r\nretry-after: "))
            }
            // The route's own refusal comes first, as in an upgrade.
            try await client.send(Self.plain("GET", "/gone"))
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 410 "))
            await used.close()
        }
    }

    @Test("are answered 503 while the server drains, as an upgrade is")
    func draining() async throws {
        try await withServer(Self.router()) {
            $0.drain.deadline = .seconds(120)
        } _: { server in
            let other = try await server.upgraded()
            // Their requests have begun, so that they are still answered.
            let requests = [Self.plain("GET", "/ws"), RawClient.upgradeRequest("/ws")]
            let clients = [try server.raw(), try server.raw()]
            for (client, request) in zip(clients, requests) {
                // All but the last line's end, which is one character.
                try await client.send(String(request.dropLast()))
            }
            try await within {
                while await server.server.counters().accepted < 3 { await Task.yield() }
            }
            let loop = try #require(await server.server.firstLoop)
            for _ in 0..<10 { await loop.onLoop { _ in } }
            server.server.stop()
            _ = try await other.readFrame()
            var answers: [Answer] = []
            for client in clients {
                try await client.send("\r\n")
                answers.append(Answer(try await client.readResponse()))
            }
            #expect(answers[0].status.hasPrefix("HTTP/1.1 503 "))
            #expect(answers[0] == answers[1])
            await other.reset()
        }
    }
}
