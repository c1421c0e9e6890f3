import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

@Suite("Token bucket") struct TokenBucketTests {
    @Test("A burst of a second's tokens, then the same number per second")
    func rate() {
        var bucket = TokenBucket(rate: 10, now: 1_000)
        #expect(bucket.take(10, now: 1_000) == 0)
        #expect(bucket.take(1, now: 1_000) == 100)
        #expect(bucket.take(0, now: 1_099) == 1)
        #expect(bucket.take(0, now: 1_100) == 0)
        #expect(bucket.take(1, now: 1_200) == 0)
        // A debt is paid at the same rate, and a pause gives no more than a second's credit.
        #expect(bucket.take(25, now: 1_200) == 2_500)
        #expect(bucket.take(10, now: 1_000_000) == 0)
        #expect(bucket.take(1, now: 1_000_000) == 100)
    }

    @Test("Never more than the rate and a burst, by a slow count of milliseconds")
    func property() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let rate = Int.random(in: 1...100_000, using: &generator)
            var now = UInt64.random(in: 0...1 << 40, using: &generator)
            var bucket = TokenBucket(rate: rate, now: now)
            var level = Double(rate)
            for _ in 0..<200 {
                let passed = UInt64.random(in: 0...2_000, using: &generator)
                now += passed
                let count = UInt64.random(in: 0...UInt64(rate) / 2 + 2, using: &generator)
                level = min(Double(rate), level + Double(rate) * Double(passed) / 1_000)
                level -= Double(count)
                let wait = bucket.take(count, now: now)
                let due = level >= -1e-6 ? 0 : -level * 1_000 / Double(rate)
                #expect(abs(Double(wait) - due) <= 1.001)
            }
        }
    }

    @Test("Extreme values don't overflow")
    func extremes() {
        var bucket = TokenBucket(rate: 64 << 30, now: 0)
        #expect(bucket.take(.max, now: 0) > 0)
        #expect(bucket.take(.max, now: .max) > 0)
        #expect(bucket.take(0, now: 0) > 0)
        var slow = TokenBucket(rate: 1, now: .max)
        #expect(slow.take(1 << 30, now: .max) == (1 << 30 - 1) * 1_000)
    }
}

@Suite("Rates and authentication") struct GuardTests {
    typealias Frame = RawClient.Frame

    @Test("Beyond its message rate, a connection is paused, and loses nothing")
    func pause() async throws {
        let recorder = Recorder(echoes: true)
        try await withServer(.single(recorder)) {
            $0.limits.messageRateMax = 1
        } _: { server in
            let client = try await server.upgraded()
            let connection = try await recorder.connections.next()
            // In one read, which leads to a pause of 120 seconds.
            let frames = (0..<121).map { Frame.text("\($0)") }
            try await client.send(frames.flatMap { $0.encoded() })
            for frame in frames { #expect(try await client.readFrame() == frame) }
            try await connection.until { $0.pauseReasons.contains(.rate) }
            try await client.send(.text("late"))
            await connection.onLoop { $0.deadlinePassed(now: $0.loop.now + 130_000) }
            #expect(try await client.readFrame() == .text("late"))
            #expect(await server.server.counters().limits.messageRate >= 1)
            await client.close()
        }
    }

    @Test("Or it is closed, if that is the policy", arguments: [false, true])
    func close(byBytes: Bool) async throws {
        try await withServer(.echo) {
            $0.limits.ratePolicy = .close
            if byBytes {
                $0.limits.byteRateMax = .bytes(1_024)
            } else {
                $0.limits.messageRateMax = 3
            }
        } _: { server in
            let client = try await server.upgraded()
            let frame = Frame.text(String(repeating: "x", count: 300))
            // One beyond the burst, in one read, so no token is added between them.
            try await client.send((0..<4).flatMap { _ in frame.encoded() })
            for _ in 0..<4 { #expect(try await client.readFrame() == frame) }
            let end = try await client.readFrame()
            #expect(end.closeCode == .policyViolation)
            let limits = await server.server.counters().limits
            #expect(limits.byteRate == (byBytes ? 1 : 0))
            #expect(limits.messageRate == (byBytes ? 0 : 1))
            await client.close()
        }
    }

    @Test("The decompressed size of a message counts")
    func inflatedRate() async throws {
        try await withServer(.echo) {
            $0.limits.ratePolicy = .close
            $0.limits.byteRateMax = .kibibytes(64)
        } _: { server in
            try await withClient(compression: Compression()) { client in
                let connection = try await client.connect(to: server.url("/ws"))
                try await connection.send(String(repeating: "a", count: 65_537))
                _ = await connection.receive()
                #expect(await connection.waitUntilClosed().code == .policyViolation)
            }
            #expect(await server.server.counters().limits.byteRate == 1)
        }
    }

    /// A handler that takes the first message as a token, and echoes later ones.
    private final class Guarded: ConnectionHandler {
        private var isAuthenticated = false

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            if isAuthenticated {
                connection.send(payload, as: kind)
            } else {
                isAuthenticated = true
                connection.authenticated()
            }
        }
    }

    private static var guarded: Router {
        var router = Router()
        router.webSocket("/ws") { _ in .accept(Guarded(), awaitsAuthentication: true) }
        return router
    }

    @Test("Before the authentication messages are small, but not from the next frame on")
    func beforeAuthentication() async throws {
        try await withServer(Self.guarded) { server in
            let large = Frame.text(String(repeating: "x", count: 20_000))
            let client = try await server.upgraded()
            // In one read: the token, and a message that only an authenticated client may send.
            try await client.send(Frame.text("token").encoded() + large.encoded())
            #expect(try await client.readFrame() == large)
            try await client.send(large)
            #expect(try await client.readFrame() == large)
            let other = try await server.upgraded()
            try await other.send(large)
            #expect(try await other.readFrame().closeCode == .messageTooBig)
            for client in [client, other] { await client.close() }
        }
    }

    @Test("Nothing is decompressed for a client that must still authenticate")
    func bombBeforeAuthentication() async throws {
        try await withServer(Self.guarded) { server in
            let client = try server.raw()
            let head = try await client.upgrade("/ws", CompressionTests.offer)
            #expect(!head.contains("Sec-WebSocket-Extensions"))
            try await client.send(
                Frame(first: 0xC1, payload: [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 7, 0]))
            #expect(try await client.readFrame().closeCode == .protocolError)
            #expect(await server.server.counters().compression == CompressionCounts())
            await client.close()
        }
    }

    @Test("A client that doesn't authenticate in time is closed with 3000")
    func authenticationTimeout() async throws {
        try await withServer(Self.guarded) {
            $0.limits.authenticationTimeout = .milliseconds(50)
        } _: { server in
            let client = try await server.upgraded()
            #expect(try await client.readFrame() == .close(.unauthorized, "authentication timeout"))
            #expect(await server.server.counters().limits.authenticationTime == 1)
            await client.close()
        }
    }
}
