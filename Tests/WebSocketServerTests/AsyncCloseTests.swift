import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// The peer's Close frame is answered after a task's replies to the messages before it.
@Suite("Closing with a task") struct AsyncCloseTests {
    typealias Frame = RawClient.Frame

    /// Returns a router whose `/ws` echoes in a task, each message when the gate allows it.
    private static func echo(_ gate: Reports<Int>? = nil) -> Router {
        var router = Router()
        router.webSocket("/ws") { connection in
            for try await message in connection.messages {
                if let gate { _ = try await gate.next() }
                try await connection.send(message)
            }
        }
        return router
    }

    @Test("Messages directly before a Close frame are answered", arguments: [1, 2, 64, 500])
    func messagesBeforeClose(count: Int) async throws {
        try await withServer(Self.echo()) { server in
            let client = try await server.upgraded()
            let messages = (0..<count).map { Frame.text("\($0)") }
            let close = Frame.close(4_001, "bye")
            try await client.send((messages + [close]).flatMap { $0.encoded() })
            for message in messages { #expect(try await client.readFrame() == message) }
            #expect(try await client.readFrame() == .close(4_001))
            #expect(try await client.readToEnd() == [])
        }
    }

    @Test("A slow task answers them as well", arguments: [false, true])
    func slowly(endsItsSide: Bool) async throws {
        let gate = Reports<Int>()
        try await withServer(Self.echo(gate)) { server in
            let client = try await server.upgraded()
            let messages = (0..<3).map { Frame.text("\($0)") }
            let close = Frame.close(nil)
            try await client.send((messages + [close, .text("late")]).flatMap { $0.encoded() })
            if endsItsSide { await client.finishSending() }
            for message in messages {
                gate.add(1)
                #expect(try await client.readFrame() == message)
            }
            #expect(try await client.readFrame() == close)
            #expect(try await client.readToEnd() == [])
        }
    }

    @Test("A Close frame without a message before it is answered at once")
    func nothingToAnswer() async throws {
        let gate = Reports<Int>()
        var router = Router()
        router.webSocket("/ws") { _ in _ = try await gate.next() }
        try await withServer(router) { server in
            let client = try await server.upgraded()
            try await client.send(.close(.normalClosure))
            #expect(try await client.readFrame() == .close(.normalClosure))
            gate.add(1)
            _ = try await client.readToEnd()
        }
    }

    enum Ending: CaseIterable, Sendable { case returns, fails, closes, waits }

    @Test("A task that stops reading is not waited for", arguments: Ending.allCases)
    func ends(ending: Ending) async throws {
        struct Failure: Error {}
        let ends = Reports<ConnectionEnd>()
        var router = Router()
        router.webSocket("/ws") { connection in
            for try await message in connection.messages {
                try await connection.send(message)
                break
            }
            switch ending {
            case .returns: return
            case .fails: throw Failure()
            case .closes: connection.close(4_002)
            case .waits: break
            }
            ends.add(try await connection.waitUntilClosed())
        }
        try await withServer(router) { server in
            let client = try await server.upgraded()
            let frames = [Frame.text("one"), .text("two"), .close(4_001)]
            try await client.send(frames.flatMap { $0.encoded() })
            #expect(try await client.readFrame() == frames[0])
            // The peer closed first, so its code is the answer.
            #expect(try await client.readFrame() == .close(4_001))
            #expect(try await client.readToEnd() == [])
            await client.close()
            if ending == .closes || ending == .waits {
                #expect(try await ends.next().code == 4_001)
            }
        }
    }

    @Test("The answer waits for a task no longer than the close timeout")
    func timeout() async throws {
        let gate = Reports<Int>()
        let ends = Reports<Bool>()
        var router = Router()
        router.webSocket("/ws") { connection in
            for try await _ in connection.messages {
                _ = try? await gate.next()
                do {
                    try await connection.send("too late")
                } catch {
                    ends.add(error is ConnectionClosed)
                }
            }
        }
        try await withTestServer(router) { app in
            let client = try await app.upgraded()
            let frames = [Frame.text("one"), .close(4_001, "bye")]
            await client.send(frames.flatMap { $0.encoded() })
            await app.advance(by: Limits().closeTimeout - TestServer.tick)
            #expect(await client.hasNothing)
            await app.advance(by: TestServer.tick)
            #expect(try await client.readFrame() == .close(4_001))
            #expect(try await client.readToEnd() == [])
            gate.add(1)
            #expect(try await ends.next())
        }
    }

    @Test("It doesn't wait for a task that took its last message long ago and only sends")
    func sendingOnly() async throws {
        let opened = Reports<Connection>()
        let gate = Reports<Int>()
        var router = Router()
        router.webSocket("/ws") { connection in
            for try await message in connection.messages {
                try await connection.send(message)
                break
            }
            opened.add(connection.connection)
            _ = try await gate.next()
        }
        try await withServer(router) { server in
            let client = try await server.upgraded()
            try await client.send(.text("subscribe"))
            #expect(try await client.readFrame() == .text("subscribe"))
            // By the loop's clock, it is over now.
            let past = try await opened.next()
            await past.onLoop { $0.lifecycle.taskBegan(now: 0) }
            try await client.send(.close(.normalClosure))
            #expect(try await client.readFrame() == .close(.normalClosure))
            gate.add(1)
            _ = try await client.readToEnd()
        }
    }

    @Test("A stop sends its Close frame without waiting for a task")
    func stop() async throws {
        let gate = Reports<Int>()
        try await withServer(Self.echo(gate)) {
            $0.drain.deadline = .seconds(120)
        } _: { server in
            let client = try await server.upgraded()
            try await client.send([Frame.text("one"), .close(4_001)].flatMap { $0.encoded() })
            server.server.stop()
            let code = try await client.readFrame().closeCode
            // It may have begun before the Close frame was read.
            #expect(code == 4_001 || code == 1_012)
            await client.close()
            gate.add(1)
        }
    }

    @Test("Data after the Close frame isn't read while its answer waits")
    func behind() async throws {
        let gate = Reports<Int>()
        let recorder = Recorder()
        var router = Self.echo(gate)
        router.upgrade("/other") { _ in .accept(recorder) }
        try await withServer(router) {
            $0.limits.messageRateMax = 1_000_000
        } _: { server in
            let other = try await server.upgraded("/other")
            let witness = try await recorder.connections.next()
            let client = try await server.upgraded()
            let frames = [Frame.text("one"), .close(nil)].flatMap { $0.encoded() }
            try await client.send(frames + ClosingTests.Rest.much.bytes)
            try await witness.until { !$0.resources.registry.delayedAnswers.isEmpty }
            let held = await witness.onLoop { core in
                let waiting = core.resources.registry.snapshot().first { $0 !== core }!
                return waiting.guards?.unparsedBytes.count ?? 0
            }
            #expect(held == 0)
            gate.add(1)
            #expect(try await client.readFrame() == .text("one"))
            #expect(try await client.readFrame() == .close(nil))
            #expect(try await client.readToEnd() == [])
            await other.close()
        }
    }

    @Test("A client's task answers messages before the server's Close frame")
    func client() async throws {
        let socket = try ListeningSocket.listen(
            host: "127.0.0.1", port: 0, count: 1, backlog: 8)[0][0]
        defer { socket.close() }
        try await withClient { client in
            async let serving = ServerEnd(of: socket)
            let connection = try await client.connect(
                to: "ws://127.0.0.1:\(socket.address.port)/")
            var end = try await serving
            let frames = [Frame.text("one"), .text("two"), .close(4_001, "bye")]
            try end.send(frames.flatMap { $0.encoded(key: nil) })
            #expect(await connection.receive() == Message("one"))
            try await connection.send("reply to one")
            #expect(await connection.receive() == Message("two"))
            try await connection.send("reply to two")
            #expect(try await end.readFrame() == .text("reply to one"))
            #expect(try await end.readFrame() == .text("reply to two"))
            async let last = connection.receive()
            #expect(try await end.readFrame() == .close(4_001))
            end.close()
            #expect(await last == nil)
            #expect(try await connection.waitUntilClosed().code == 4_001)
        }
    }

    @Test("A client that stops reading closes at once")
    func clientWaits() async throws {
        let socket = try ListeningSocket.listen(
            host: "127.0.0.1", port: 0, count: 1, backlog: 8)[0][0]
        defer { socket.close() }
        try await withClient { client in
            async let serving = ServerEnd(of: socket)
            let connection = try await client.connect(
                to: "ws://127.0.0.1:\(socket.address.port)/")
            var end = try await serving
            try end.send(Frame.text("one").encoded(key: nil))
            #expect(await connection.receive() == Message("one"))
            async let closed = connection.waitUntilClosed()
            try await connection.connection.until { !$0.lifecycle.awaitsTask }
            let frames = [Frame.text("unread"), .close(4_001, "bye")]
            try end.send(frames.flatMap { $0.encoded(key: nil) })
            #expect(try await end.readFrame() == .close(4_001))
            end.close()
            #expect(try await closed == ConnectionEnd(code: 4_001, reason: "bye"))
        }
    }
}
