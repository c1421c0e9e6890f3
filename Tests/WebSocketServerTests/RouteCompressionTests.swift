import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Compression of a route") struct RouteCompressionTests {
    typealias Frame = RawClient.Frame

    @Test("The level of a route is its own, although all routes share a loop's compressors")
    func levelPerRoute() async throws {
        var router = Router.echo
        let recorder = Recorder(echoes: true)
        for level in [4, 9] {
            router.webSocket("/\(level)") {
                $0.compression.level = level
            } upgrade: { _ in
                .accept(recorder)
            }
        }
        try await withServer(router) { server in
            let text = (0..<200).map { #"{"id":\#($0),"price":\#($0 * 7919 % 1000)}"# }.joined()
            // Twice, so that compressors of the other levels exist.
            for (path, level) in [("/ws", 1), ("/9", 9), ("/4", 4), ("/ws", 1), ("/9", 9)] {
                let client = try server.raw()
                try await client.upgrade(path, CompressionTests.offer)
                try await client.send(.text(text))
                let expected = CompressionTests.deflated(text, level: level)
                #expect(try await client.readFrame() == Frame(first: 0xC1, payload: expected))
                await client.close()
            }
            #expect(Set([1, 4, 9].map { CompressionTests.deflated(text, level: $0) }).count == 3)
        }
    }

    @Test("The context takeover of a route is its own", arguments: [false, true])
    func takeoverPerRoute(isOwn: Bool) async throws {
        var router = Router.echo
        let recorder = Recorder(echoes: true)
        router.webSocket("/other") {
            $0.compression.contextTakeover = isOwn ? .perConnection : .off
        } upgrade: { _ in
            .accept(recorder)
        }
        try await withServer(router) {
            $0.compression.contextTakeover = isOwn ? .off : .perConnection
        } _: { server in
            for (path, takesOver) in [("/other", isOwn), ("/ws", !isOwn)] {
                let client = try server.raw()
                let head = try await client.upgrade(path, CompressionTests.offer)
                #expect(head.contains("server_no_context_takeover") == !takesOver)
                for _ in 0..<2 { try await client.send(.text(CompressionTests.json)) }
                let first = try await client.readFrame()
                let second = try await client.readFrame()
                #expect((second.payload.count * 2 < first.payload.count) == takesOver)
                #expect((second == first) == !takesOver)
                await client.close()
            }
        }
    }

    @Test("Publications refer no farther back than a client negotiated on a route of its own")
    func windowPerRoute() async throws {
        final class Subscribing: ConnectionHandler, Sendable {
            let connections = Reports<Connection>()

            func onOpen(_ connection: Connection) {
                connection.subscribe(to: "news")
                connections.add(connection)
            }

            func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {}
        }
        let handler = Subscribing()
        var router = Router()
        router.webSocket("/ws") {
            $0.compression.serverWindowBits = 9
        } upgrade: { _ in
            .accept(handler)
        }
        try await withServer(router) { server in
            // A client that names no window has the largest, and the server's window fits into it.
            for (terms, shares) in [("; server_max_window_bits=10", false), ("", true)] {
                let client = try server.raw()
                try await client.upgrade(
                    "/ws", "Sec-WebSocket-Extensions: permessage-deflate\(terms)\r\n")
                let connection = try await handler.connections.next()
                #expect(
                    await connection.onLoop { $0.subscriber?.mode == .shared } == shares)
                await client.close()
            }
        }
    }

    @Test("A publication is compressed at the highest level of its topic's subscribers")
    func levelOfPublications() async throws {
        final class Subscribing: ConnectionHandler, Sendable {
            func onOpen(_ connection: Connection) { connection.send("ready") }

            func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
                connection.subscribe(to: String(payload))
                connection.send("subscribed")
            }
        }
        let handler = Subscribing()
        var router = Router.single(handler)
        router.webSocket("/9") {
            $0.compression.level = 9
        } upgrade: { _ in
            .accept(handler)
        }
        try await withServer(router) { server in
            func join(_ path: String, _ topics: String...) async throws -> RawClient {
                let client = try server.raw()
                try await client.upgrade(path, CompressionTests.offer)
                #expect(try await client.readFrame() == .text("ready"))
                for topic in topics {
                    try await client.send(.text(topic))
                    #expect(try await client.readFrame() == .text("subscribed"))
                }
                return client
            }
            let fast = try await join("/ws", "fast", "both")
            let small = try await join("/9", "small", "both")
            let text = (0..<200).map { #"{"id":\#($0),"price":\#($0 * 7919 % 1000)}"# }.joined()
            func expect(_ topic: String, _ level: Int, _ clients: RawClient...) async throws {
                try await server.server.publish(
                    Publication([UInt8](text.utf8).span.bytes, as: .text, to: topic))
                let payload = CompressionTests.deflated(text, level: level)
                for client in clients {
                    #expect(try await client.readFrame() == Frame(first: 0xC1, payload: payload))
                }
            }
            try await expect("small", 9, small)
            try await expect("fast", 1, fast)
            try await expect("small", 9, small)
            for client in [fast, small] { await client.close() }
            let (one, other) = (try await join("/ws", "both"), try await join("/9", "both"))
            try await expect("both", 9, one, other)
            for client in [one, other] { await client.close() }
        }
    }
}
