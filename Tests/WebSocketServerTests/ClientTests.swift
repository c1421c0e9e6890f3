import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

@Suite struct ClientTests {
    @Test(
        "A URL contains the address and the path",
        arguments: [
            (
                "ws://example.org", WebSocketURL.Place.host("example.org", port: 80), "example.org",
                "/"
            ),
            ("WS://a:8080/b?c=d", .host("a", port: 8080), "a:8080", "/b?c=d"),
            ("ws://a?c", .host("a", port: 80), "a", "/?c"),
            ("ws://[::1]:9/x", .host("::1", port: 9), "[::1]:9", "/x"),
            ("ws://127.0.0.1:65535/", .host("127.0.0.1", port: 65_535), "127.0.0.1:65535", "/"),
            ("ws+unix:/run/a.sock:/x?y", .unix(path: "/run/a.sock"), "localhost", "/x?y"),
            ("ws+unix:///run/a.sock", .unix(path: "/run/a.sock"), "localhost", "/"),
        ])
    func urls(text: String, place: WebSocketURL.Place, authority: String, target: String) throws {
        let url = try WebSocketURL(text)
        #expect(url.place == place)
        #expect(url.authority == authority)
        #expect(url.target == target)
    }

    @Test(
        "An invalid URL is an error",
        arguments: [
            "", "ws", "ws:", "ws:/a", "ws://", "http://a", "ws://a:0", "ws://a:65536", "ws://a:b",
            "ws://a:", "ws://u@a/", "ws://[::1", "ws://[x]/", "ws://a/#f", "ws://a/ b",
            "ws://a\r\n",
            "ws+unix:", "ws+unix::/x", "ws://:80/",
        ])
    func badURLs(text: String) {
        let error = #expect(throws: ClientError.self) { try WebSocketURL(text) }
        #expect(error?.code == .invalidURL)
    }

    @Test(
        "a user or password is refused by name, and not repeated",
        arguments: [
            "ws://user:pa55@host/", "wss://pa55@host", "http://user:pa55@host/",
            "ws:user:pa55@host",
            "user:pa55@host", "ws://user:pa55@ho st/", "ws://pa55@host/#fragment",
        ])
    func credentials(text: String) {
        let error = #expect(throws: ClientError.self) { try WebSocketURL(text, hasTLS: true) }
        #expect(error?.code == .invalidURL)
        #expect(error?.detail.contains("a user or password in a URL isn't supported") == true)
        #expect(error?.description.contains("pa55") == false)
    }

    @Test(
        "an @ elsewhere in a URL is no user",
        arguments: ["ws://host/a@b", "ws://host?a@b", "ws+unix:/run/a@b.sock:/c@d"])
    func noCredentials(text: String) throws { _ = try WebSocketURL(text) }

    @Test("A client that is released without a shutdown stops its loops after its connections")
    func released() async throws {
        var router = Router()
        router.webSocket("/ws") { connection in
            for try await message in connection.messages { try await connection.send(message) }
        }
        try await withServer(router) { server in
            /// Returns the event loop of a connection that was used without its client.
            func usedLoop() async throws -> Released {
                let connection = try await WebSocketClient().connect(to: server.url("/ws"))
                try await connection.send("hello")
                #expect(await connection.receive() == Message("hello"))
                await connection.close()
                return Released(loop: connection.connection.core.loop)
            }
            let released = try await usedLoop()
            try await within { while released.loop != nil { await Task.yield() } }
        }
        // Nobody listens. The client goes while its loop still runs what failed.
        for _ in 0..<100 {
            await #expect(throws: ClientError.self) {
                try await WebSocketClient(loops: 2).connect(to: "ws+unix:/nowhere.sock:/")
            }
        }
    }

    @Test("Communicates over IPv4, IPv6 and Unix-domain sockets, with the negotiated subprotocol")
    func places() async throws {
        let path = "/tmp/apus-test-\(UInt32.random(in: 0 ... .max)).sock"
        let recorder = Recorder(echoes: true)
        var router = Router()
        router.upgrade("/ws") { request in
            guard request.head.headerFields[.origin] == "http://here" else {
                return .refuse(.forbidden, "who are you?")
            }
            return .accept(recorder, subprotocol: request.subprotocols.last)
        }
        let addresses: [ListenAddress] = [
            .hostname("127.0.0.1", port: 0), .hostname("::1", port: 0), .unix(path: path),
        ]
        for address in addresses {
            try await withServer(router) {
                $0.addresses = [address]
                $0.loops = 2
                $0.origins = .any
            } _: { server in
                try await withClient(loops: 2) { client in
                    let connection = try await client.connect(
                        to: server.url("/ws?x"), subprotocols: ["a", "b"],
                        headerFields: [.origin: "http://here"])
                    #expect(connection.subprotocol == "b")
                    for size in [0, 125, 126, 65_535, 65_536, 1 << 20] {
                        let message = Message([UInt8](repeating: 3, count: size))
                        try await connection.send(message)
                        #expect(await connection.receive() == message)
                    }
                    #expect(await connection.close().code == .normalClosure)
                    let error = await #expect(throws: ClientError.self) {
                        try await client.connect(to: server.url("/ws"))
                    }
                    #expect(error?.code == .refused && error?.status == 403)
                    let body = String(decoding: error?.body ?? [], as: UTF8.self)
                    #expect(body.contains("who are you?"))
                }
            }
        }
    }

    @Test(
        "The server's order of subprotocols decides, and one that wasn't offered isn't selected",
        arguments: [(["b", "a"], "b"), (["x", "a"], "a"), (["x"], nil), (["A"], nil)]
            as [([String], String?)])
    func subprotocols(supported: [String], agreed: String?) async throws {
        let recorder = Recorder()
        var router = Router()
        router.upgrade("/ws") { request in
            .accept(recorder, subprotocol: request.subprotocol(among: supported) ?? "unasked")
        }
        try await withServer(router) { server in
            try await withClient { client in
                let connection = try await client.connect(
                    to: server.url("/ws"), subprotocols: ["a", "b"])
                #expect(connection.subprotocol == agreed)
                #expect(try await recorder.connections.next().onLoop { $0.subprotocol } == agreed)
            }
        }
    }

    @Test("Distinguishes a missing server, one that doesn't answer, and one with an invalid answer")
    func failures() async throws {
        try await withClient { client in
            // Bound, but never accepting: the kernel connects, and nobody answers.
            let socket = try ListeningSocket.listen(
                host: "127.0.0.1", port: 0, count: 1, backlog: 8)[0][0]
            var limits = Limits()
            limits.handshakeTimeout = .milliseconds(200)
            let url = "ws://127.0.0.1:\(socket.address.port)/"
            #expect(await Self.failure(client, url, limits) == .timedOut)
            socket.close()
            #expect(await Self.failure(client, url, .patient) == .cannotConnect)
            #expect(await Self.failure(client, "ws+unix:/nowhere", .patient) == .cannotConnect)
            #expect(
                await Self.failure(client, "ws://no-such-host.invalid/", .patient) == .cannotConnect
            )
            let error = await #expect(throws: ClientError.self) {
                try await client.connect(to: url, subprotocols: ["a b"])
            }
            #expect(error?.code == .invalidSubprotocol)
        }
        var router = Router()
        router.get("/plain") { _ in .text("no WebSocket") }
        try await withServer(router) { server in
            try await withClient { client in
                #expect(await Self.failure(client, server.url("/plain"), Limits()) == .refused)
                #expect(await Self.failure(client, server.url("/no"), Limits()) == .refused)
            }
        }
    }

    private static func failure(
        _ client: WebSocketClient, _ url: String, _ limits: Limits
    ) async -> ClientError.Code? {
        do {
            _ = try await client.connect(to: url) { $0.limits = limits }
            return nil
        } catch {
            return error.code
        }
    }

    @Test("a finished connection delivers what the server sends before its Close frame")
    func finishing() async throws {
        try await withServer(.echo) { server in
            try await withClient { client in
                for finishes in [true, false] {
                    let connection = try await client.connect(to: server.url("/ws"))
                    for number in 0..<1_000 { connection.connection.send("\(number)") }
                    if finishes { connection.finish() } else { connection.connection.close() }
                    var received = 0
                    while await connection.receive() != nil { received += 1 }
                    #expect(finishes ? received == 1_000 : received < 1_000)
                    let end = try await connection.waitUntilClosed()
                    #expect(end.code == .normalClosure && end.isClean)
                }
            }
        }
    }

    @Test("Connecting and receiving can be cancelled")
    func cancellation() async throws {
        try await withServer(.echo) { server in
            try await withClient { client in
                let socket = try ListeningSocket.listen(
                    host: "127.0.0.1", port: 0, count: 1, backlog: 8)[0][0]
                defer { socket.close() }
                let url = "ws://127.0.0.1:\(socket.address.port)/"
                let connecting = Task { await Self.failure(client, url, Limits()) }
                connecting.cancel()
                #expect(try await within { await connecting.value } == .cancelled)
                let connection = try await client.connect(to: server.url("/ws"))
                let receiving = Task { await connection.receive() }
                receiving.cancel()
                #expect(try await within { await receiving.value } == nil)
                try await connection.send("on")
                #expect(await connection.receive() == Message("on"))
            }
        }
    }

    @Test("A shutdown sends 1001 to the servers and refuses later calls")
    func shutdown() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try WebSocketClient(logger: .silent)
            let connection = try await client.connect(to: server.url("/ws"))
            await client.shutdown()
            await client.shutdown()
            #expect(client.ledger?.isZero == true)
            #expect(try await recorder.end() == .closed(.goingAway, ""))
            #expect(await connection.receive() == nil)
            #expect(await Self.failure(client, server.url("/ws"), Limits()) == .shutDown)
            await #expect(throws: ConnectionClosed.self) { try await connection.send("late") }
        }
    }

    @Test("A handler on the client's loop receives the same calls as a server's handler")
    func handlers() async throws {
        try await withServer(.echo) { server in
            try await withClient(loops: 2) { client in
                let recorder = Recorder()
                let connection = try await client.connect(to: server.url("/ws"), handler: recorder)
                for number in 0..<100 { connection.send("\(number)") }
                for number in 0..<100 {
                    try await recorder.events.next { $0 == .message(Message("\(number)")) }
                }
                connection.close(4000, reason: "done")
                #expect(try await recorder.end() == .closed(4000, "done"))
            }
        }
    }
}

/// An event loop that the test doesn't keep alive.
private struct Released: Sendable {
    weak let loop: EventLoop?
}
