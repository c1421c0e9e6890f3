import LiveTesting
import Testing

@testable import WebSocketServer

/// Timeouts of a whole server, each at the exact time at which it is due.
@Suite("Deadlines by a manual clock") struct ManualClockTests {
    typealias Frame = RawClient.Frame

    /// Advances the clock by `duration`, and checks that the server sends nothing until then.
    private static func expectSilence(
        for duration: Duration, _ app: TestServer, _ socket: TestSocket
    ) async throws {
        await app.advance(by: duration - TestServer.tick)
        #expect(await socket.hasNothing)
        #expect(await socket.end == nil)
        await app.advance(by: TestServer.tick)
    }

    @Test("A ping is sent after the interval, and 1011 after the time for the pong")
    func heartbeat() async throws {
        let recorder = Recorder()
        try await withTestServer(.single(recorder)) {
            $0.heartbeat.interval = .seconds(32)
            $0.heartbeat.timeout = .milliseconds(9_600)
        } _: { app in
            let socket = try await app.upgraded()
            let connection = try await recorder.connections.next()
            let interval = await connection.onLoop {
                $0.lifecycle.liveness.pingInterval($0.options)
            }
            let tick = Duration.milliseconds((interval + 31) / 32 * 32)
            #expect(tick > .milliseconds(28_800) && tick <= .seconds(32))
            for _ in 0..<3 {
                try await Self.expectSilence(for: tick, app, socket)
                #expect(try await socket.readFrame() == Frame(first: 0x89))
                await socket.send(Frame(first: 0x8A))
            }
            try await Self.expectSilence(for: tick, app, socket)
            #expect(try await socket.readFrame() == Frame(first: 0x89))
            try await Self.expectSilence(for: .milliseconds(9_600), app, socket)
            #expect(try await socket.readFrame() == .close(.internalError, "heartbeat timeout"))
            #expect(try await recorder.end() == .closed(.internalError, "heartbeat timeout"))
            let counters = await app.server.counters()
            #expect(counters.pongsReceived == 3 && counters.pingsSent == 4)
            #expect(counters.heartbeatTimeouts == 1)
        }
    }

    @Test("A connection is idle after a time without messages, though it answers pings")
    func idle() async throws {
        try await withTestServer(.echo) {
            $0.heartbeat.interval = .seconds(20)
            $0.limits.idleTimeout = .seconds(64)
        } _: { app in
            let client = try await app.connect("/ws")
            await app.advance(by: .seconds(32))
            await client.send("still here")
            await app.advance(by: .seconds(64) - TestServer.tick)
            #expect(await client.end == nil)
            await app.advance(by: TestServer.tick)
            #expect(await client.end == TestEnd(.goingAway, "idle timeout"))
            let counters = await app.server.counters()
            #expect(counters.idleTimeouts == 1 && counters.pongsReceived >= 3)
        }
    }

    @Test("A message must be complete within its time, whatever comes in between")
    func message() async throws {
        try await withTestServer(.echo) {
            $0.limits.messageTimeout = .seconds(16)
        } _: { app in
            let socket = try await app.upgraded()
            await socket.send(Frame(first: 0x02, payload: [1]))
            await app.advance(by: .seconds(8))
            await socket.send(Frame(first: 0x89))
            #expect(try await socket.readFrame() == Frame(first: 0x8A))
            await socket.send(Frame(first: 0x00, payload: [2]))
            try await Self.expectSilence(for: .seconds(8), app, socket)
            #expect(try await socket.readFrame().closeCode == .policyViolation)
            #expect(await app.server.counters().limits.messageTime == 1)
            // Complete messages, and the pauses between them, may take any time.
            let other = try await app.connect("/ws")
            for _ in 0..<3 {
                await other.send("a")
                #expect(try await other.receive() == Message("a"))
                await app.advance(by: .seconds(60))
            }
        }
    }

    @Test(
        "A request must come within the handshake timeout", arguments: ["", "GET / HTTP/1.1\r\n"])
    func handshake(begin: String) async throws {
        try await withTestServer(.echo) {
            $0.limits.handshakeTimeout = .milliseconds(3_200)
        } _: { app in
            let socket = try await app.open()
            if !begin.isEmpty { await socket.send(begin) }
            try await Self.expectSilence(for: .milliseconds(3_200), app, socket)
            let answer = String(decoding: try await socket.readToEnd(), as: UTF8.self)
            #expect(begin.isEmpty ? answer.isEmpty : answer.hasPrefix("HTTP/1.1 408 "))
            #expect(await app.server.counters().handshakeTimeouts == 1)
        }
    }

    @Test("A Close frame without an answer is waited for until the close timeout")
    func close() async throws {
        let recorder = Recorder()
        try await withTestServer(.single(recorder)) {
            $0.limits.closeTimeout = .milliseconds(3_200)
        } _: { app in
            let socket = try await app.upgraded()
            try await recorder.connections.next().close(.normalClosure, reason: "over")
            #expect(try await socket.readFrame() == .close(.normalClosure, "over"))
            await socket.send(.text("not an answer"))
            try await Self.expectSilence(for: .milliseconds(3_200), app, socket)
            #expect(await socket.end != nil)
            #expect(try await recorder.end() == .closed(.normalClosure, "over"))
            #expect(recorder.events.all.count == 2)
            #expect(await app.server.counters().closeTimeouts == 1)
        }
    }

    @Test("The heartbeat of a route is its own")
    func heartbeatPerRoute() async throws {
        var router = Router.echo
        router.webSocket("/beating") {
            $0.heartbeat.interval = .milliseconds(100)
        } upgrade: { _ in
            .accept(Recorder())
        }
        try await withTestServer(router) { app in
            let (other, beating) = (try await app.upgraded(), try await app.upgraded("/beating"))
            for _ in 0..<3 {
                // The interval and up to two ticks.
                await app.advance(by: .milliseconds(160))
                #expect(await beating.readAvailable() == [0x89, 0])
                await beating.send(Frame(first: 0x8A))
            }
            #expect(await other.hasNothing)
        }
    }

    @Test("A stop sends 1012 to all clients, spread over its time")
    func drain() async throws {
        try await withTestServer(.echo) {
            $0.limits.closeTimeout = .seconds(60)
            $0.drain.spread = .seconds(16)
            $0.drain.deadline = .seconds(32)
        } _: { app in
            var clients: [TestSocket] = []
            for _ in 0..<8 { clients.append(try await app.upgraded()) }
            await app.beginDraining()
            var informed: [Int] = []
            for _ in 0...8 {
                var count = 0
                for client in clients where await !client.hasNothing { count += 1 }
                informed.append(count)
                await app.advance(by: .seconds(2))
            }
            // One tick late at most, so the client of a boundary is informed just after it.
            #expect(informed.first == 0 && informed.last == 8)
            for (index, count) in informed.enumerated() { #expect(abs(count - index) <= 1) }
            for client in clients {
                #expect(try await client.readFrame() == .close(1012, "service restart"))
                #expect(await client.end == nil)
            }
            // They don't answer.
            await app.advance(by: .seconds(16))
            for client in clients { #expect(await client.end != nil) }
        }
    }

    @Test("An hour passes at once, with every ping of it")
    func hour() async throws {
        try await withTestServer(.echo) { app in
            let client = try await app.connect("/ws")
            await app.advance(by: .seconds(3_600))
            #expect(await app.elapsed == .seconds(3_600))
            #expect(await client.end == nil)
            let counters = await app.server.counters()
            #expect((120...134).contains(counters.pingsSent))
            #expect(counters.pongsReceived == counters.pingsSent)
        }
    }
}
