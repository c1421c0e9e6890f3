import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// Decisions on upgrades that wait, for handlers of both kinds.
@Suite("Decisions that wait") struct UpgradeWaitingTests {
    enum Kind: CaseIterable, Sendable { case handler, talk }

    /// Returns a router whose `/ws` echoes once `waiting` is opened, and whose `/` answers at once.
    static func router(_ waiting: Waiting, _ kind: Kind = .handler) -> Router {
        var router = Router()
        router.get("/") { _ in .text("root") }
        router.upgrade("/ws") { _ in
            try await waiting.wait()
            switch kind {
            case .handler: return .accept(Recorder(echoes: true))
            case .talk:
                return .accept { connection in
                    for try await message in connection.messages {
                        try await connection.send(message)
                    }
                }
            }
        }
        return router
    }

    private static let plain = "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n"

    @Test("An upgrade is accepted when its route has decided", arguments: Kind.allCases)
    func accepted(kind: Kind) async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting, kind)) { server in
            let client = try server.raw()
            try await client.send(RawClient.upgradeRequest("/ws"))
            _ = try await waiting.begun.next()
            // Others are served meanwhile.
            let other = try server.raw()
            try await other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await other.readResponse().body == "root")
            waiting.open()
            #expect(try await client.readHead().hasPrefix("HTTP/1.1 101 "))
            try await client.send(.text("hello"))
            #expect(try await client.readFrame() == .text("hello"))
            await client.close()
        }
        #expect(waiting.cancelled.all.isEmpty)
    }

    @Test("Frames that come before the 101 wait, however they are cut", arguments: Kind.allCases)
    func earlyFrames(kind: Kind) async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting, kind)) { server in
            let frames = (0..<20).map { RawClient.Frame.text("early \($0)") }
            let bytes = frames.flatMap { $0.encoded() }
            for cuts in [[0], [bytes.count], [7], [7, 100, 101], [bytes.count - 1]] {
                let client = try server.raw()
                var pieces: [ArraySlice<UInt8>] = []
                var start = 0
                for cut in cuts + [bytes.count] {
                    pieces.append(bytes[start..<cut])
                    start = cut
                }
                let request = Array(RawClient.upgradeRequest("/ws").utf8)
                try await client.send(request + pieces.removeFirst())
                _ = try await waiting.begun.next()
                // The last piece comes with or after the 101.
                let last = pieces.removeLast()
                for piece in pieces { try await client.send(Array(piece)) }
                waiting.open()
                if !last.isEmpty { try await client.send(Array(last)) }
                #expect(try await client.readHead().hasPrefix("HTTP/1.1 101 "))
                for frame in frames { #expect(try await client.readFrame() == frame) }
                await client.close()
            }
        }
    }

    @Test("Many early frames wait in the kernel, not in the server", arguments: Kind.allCases)
    func manyEarlyFrames(kind: Kind) async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting, kind)) { server in
            let client = try server.raw()
            let frame = RawClient.Frame(first: 0x82, payload: .init(repeating: 1, count: 60_000))
            let bytes = (0..<20).flatMap { _ in frame.encoded(key: [0, 0, 0, 0]) }
            try await client.send(RawClient.upgradeRequest("/ws"))
            _ = try await waiting.begun.next()
            let sending = Task { try await client.send(bytes) }
            try await server.until { $0.pauseReasons.contains(.http) }
            let loop = try #require(await server.server.firstLoop)
            let held = await loop.onLoop { $0.registry.snapshot().map(\.memoryHeld).max() ?? 0 }
            #expect(held <= 2 * (PipelinedBytes.sizeMax + EventLoop.readBufferSize))
            waiting.open()
            // The client's one thread can't read meanwhile. The kernel's buffers have room for all
            // echoes, so the server takes everything.
            try await sending.value
            #expect(try await client.readHead().hasPrefix("HTTP/1.1 101 "))
            for _ in 0..<20 { #expect(try await client.readFrame() == frame) }
            await client.close()
        }
    }

    @Test("An early Close frame ends the connection after the 101", arguments: Kind.allCases)
    func earlyClose(kind: Kind) async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting, kind)) { server in
            let client = try server.raw()
            try await client.send(
                Array(RawClient.upgradeRequest("/ws").utf8)
                    + RawClient.Frame.text("last words").encoded()
                    + RawClient.Frame.close(.normalClosure).encoded())
            _ = try await waiting.begun.next()
            waiting.open()
            #expect(try await client.readHead().hasPrefix("HTTP/1.1 101 "))
            #expect(try await client.readFrame() == .text("last words"))
            #expect(try await client.readFrame() == .close(.normalClosure))
            await client.close()
        }
    }

    enum Leave: CaseIterable, Sendable { case close, reset, halfClose, closeAfterFrames }

    @Test("The decision is cancelled when the client leaves", arguments: Leave.allCases)
    func leaving(how: Leave) async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting)) { server in
            let client = try server.raw()
            try await client.send(RawClient.upgradeRequest("/ws"))
            _ = try await waiting.begun.next()
            switch how {
            case .close: await client.close()
            case .reset: await client.reset()
            case .halfClose: await client.finishSending()
            case .closeAfterFrames:
                try await client.send(.text("early"))
                await client.close()
            }
            _ = try await waiting.cancelled.next()
            try await server.untilEmpty()
        }
    }

    @Test("A decision that takes too long is cancelled and answered 503, not 408")
    func deadline() async throws {
        let waiting = Waiting()
        let log = LogRecorder()
        try await withTestServer(Self.router(waiting), logger: log.logger) {
            $0.limits.handshakeTimeout = .milliseconds(100)
        } _: { app in
            for request in [RawClient.upgradeRequest("/ws"), Self.plain] {
                let client = try await app.open()
                await client.send(request)
                _ = try await waiting.begun.next()
                await app.advance(by: .milliseconds(64))
                #expect(await client.hasNothing)
                #expect(waiting.cancelled.all.count == waiting.begun.all.count - 1)
                await app.advance(by: .milliseconds(64))
                let head = try await client.readHead()
                #expect(head.hasPrefix("HTTP/1.1 503 "))
                #expect(head.contains("Retry-After: "))
                let body = String(decoding: await client.readAvailable(), as: UTF8.self)
                #expect(body.contains("took too long to decide"))
                _ = try await waiting.cancelled.next()
            }
        }
        #expect(!log.lines(with: "no decision within 100 ms").isEmpty)
    }

    @Test("A stop lets a decision finish, and then refuses it with 503")
    func drain() async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting)) {
            $0.drain.deadline = .seconds(120)
        } _: { server in
            let clients = [try server.raw(), try server.raw()]
            for (client, request) in zip(clients, [RawClient.upgradeRequest("/ws"), Self.plain]) {
                try await client.send(request)
                _ = try await waiting.begun.next()
            }
            server.server.stop()
            try await server.untilDraining()
            for _ in clients { waiting.open() }
            let head = try await clients[0].readResponse().head
            #expect(head.hasPrefix("HTTP/1.1 503 ") && head.contains("Retry-After: "))
            #expect(try await clients[1].readResponse().head.hasPrefix("HTTP/1.1 426 "))
            for client in clients { #expect(try await client.readToEnd() == []) }
        }
        #expect(waiting.cancelled.all.isEmpty)
    }

    @Test("The deadline of a drain cancels a decision")
    func drainDeadline() async throws {
        let waiting = Waiting()
        let last = Locked<RawClient?>(nil)
        try await withServer(Self.router(waiting)) {
            $0.drain.deadline = .milliseconds(100)
        } _: { server in
            let client = try server.raw()
            last.withLock { $0 = client }
            try await client.send(RawClient.upgradeRequest("/ws"))
            _ = try await waiting.begun.next()
        }
        _ = try await waiting.cancelled.next()
        #expect(try await last.value?.readToEnd(orReset: true) == [])
    }

    @Test("A connection that waits for a decision can be evicted, which cancels it")
    func eviction() async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting)) {
            $0.limits.connectionsMax = 2
        } _: { server in
            let client = try server.raw()
            try await client.send(RawClient.upgradeRequest("/ws"))
            _ = try await waiting.begun.next()
            var silent: [RawClient] = []
            for _ in 0..<8 { silent.append(try server.raw()) }
            _ = try await waiting.cancelled.next()
            #expect(try await client.readToEnd(orReset: true) == [])
        }
    }

    @Test("A plain request waits for the decision, too, also if the client sends no more")
    func plainRequest() async throws {
        let waiting = Waiting()
        try await withServer(Self.router(waiting)) { server in
            for finishes in [false, true] {
                let client = try server.raw()
                try await client.send(Self.plain + "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try await waiting.begun.next()
                if finishes { await client.finishSending() }
                waiting.open()
                #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 426 "))
                #expect(try await client.readResponse().body == "root")
                if finishes { #expect(try await client.readToEnd() == []) }
                await client.close()
            }
        }
        #expect(waiting.cancelled.all.isEmpty)
    }
}
