import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// The backlogs of all subscribers together are limited, and sent in the end.
@Suite("The limit of all backlogs") struct BacklogLimitTests {
    /// A connection whose outbox isn't empty, so that publications wait for it.
    private struct Laggard {
        static let size = 8 << 20
        let client: RawClient
        let connection: Connection

        /// Sends it more than the kernel accepts.
        init(
            _ server: LiveServer, _ recorder: Recorder, _ topic: String,
            notOn loop: EventLoop? = nil
        ) async throws {
            var client = try await server.upgraded("/\(topic)", receiveBuffer: 4_096)
            var connection = try await recorder.connections.next()
            // The kernel chooses the loop.
            while connection.core.loop === loop {
                await client.close()
                client = try await server.upgraded("/\(topic)", receiveBuffer: 4_096)
                connection = try await recorder.connections.next()
            }
            self.client = client
            self.connection = connection
            connection.subscribe(to: topic)
            connection.send([UInt8](repeating: 0, count: Self.size))
            try await connection.until { $0.outboxCount > 0 }
        }

        /// Waits until this number of publications waits for it. A busy event loop delivers some of
        /// them in later turns.
        func untilWaiting(_ count: Int) async throws {
            try await connection.until { $0.subscriber!.backlog.count == count }
        }

        /// Returns the first bytes of the publications that it receives.
        func read(_ count: Int) async throws -> [UInt8] {
            #expect(try await client.readFrame().payload.count == Self.size)
            var numbers: [UInt8] = []
            for _ in 0..<count { numbers.append(try await client.readFrame().payload[0]) }
            return numbers
        }
    }

    /// The number of publications of 64 KiB of which the last exceeds a mebibyte.
    private static let count = 16

    private static func publish(
        _ number: Int, of size: Int = 64 << 10, to topic: String, at server: LiveServer
    ) async throws {
        let payload = [UInt8](repeating: UInt8(number), count: size)
        try await server.server.publish(
            Publication(payload.span.bytes, as: .binary, to: topic, key: "\(number)"))
    }

    private static let resetEvent = HandlerEvent.closed(.slowConsumer, "slow consumer")

    private static func router(_ slow: Recorder, _ quick: Recorder) -> Router {
        var router = Router()
        router.upgrade("/slow") { _ in .accept(slow) }
        router.upgrade("/quick") { _ in .accept(quick) }
        return router
    }

    @Test(
        "Beyond it, the slowest consumer pays by its topics' policies; others keep theirs",
        arguments: [SlowSubscriberPolicy.disconnect, .dropOldest, .conflate])
    func slowestPays(policy: SlowSubscriberPolicy) async throws {
        let (ofSlow, ofQuick, log) = (Recorder(), Recorder(), LogRecorder())
        try await withServer(Self.router(ofSlow, ofQuick), logger: log.logger) {
            $0.topics.backlogMax = .mebibytes(1)
            $0.topics.rules = [.init(prefix: "slow", policy: policy)]
            $0.limits.outboxMax = .mebibytes(64)
        } _: { server in
            let slow = try await Laggard(server, ofSlow, "slow")
            let quick = try await Laggard(server, ofQuick, "quick")
            for number in 0..<Self.count { try await Self.publish(number, to: "slow", at: server) }
            try await slow.untilWaiting(Self.count)
            for number in 0..<2 {
                try await Self.publish(number, of: 100, to: "quick", at: server)
            }
            try await quick.untilWaiting(2)
            let counters = await server.server.counters()
            if policy == .disconnect {
                try await ofSlow.events.next { $0 == Self.resetEvent }
                #expect(counters.slowConsumers == 1 && counters.topics.dropped == 0)
                let lines = log.lines(with: "slow consumer disconnected")
                #expect(lines.count == 1)
                #expect(lines[0].contains(#""waiting": \#(Self.count)"#))
                #expect(
                    lines[0].contains(#""waiting_bytes": \#(Self.count * (10 + 64 << 10 + 32))"#))
            } else {
                #expect(counters.slowConsumers == 0 && counters.topics.dropped == 1)
                #expect(try await slow.read(Self.count - 1) == Array(1..<UInt8(Self.count)))
            }
            #expect(try await quick.read(2) == [0, 1])
            await slow.client.close()
            await quick.client.close()
        }
    }

    @Test(
        "A connection's own messages never cost another connection, whatever others have waiting",
        arguments: [SlowSubscriberPolicy.disconnect, .dropOldest])
    func ownMessages(policy: SlowSubscriberPolicy) async throws {
        let (ofSlow, ofQuick) = (Recorder(), Recorder())
        try await withServer(Self.router(ofSlow, ofQuick)) {
            $0.loops = 2
            $0.topics.backlogMax = .mebibytes(1)
            $0.topics.rules = [
                .init(prefix: "quick", policy: policy), .init(prefix: "slow", policy: .dropOldest),
            ]
            $0.limits.outboxMax = .mebibytes(64)
        } _: { server in
            let slow = try await Laggard(server, ofSlow, "slow")
            let loop = slow.connection.core.loop
            let quick = try await Laggard(server, ofQuick, "quick", notOn: loop)
            try await Self.publish(0, of: 100, to: "quick", at: server)
            try await quick.connection.until { $0.subscriber!.backlog.count == 1 }
            // From here on, the other loop has the whole budget.
            for number in 0..<Self.count { try await Self.publish(number, to: "slow", at: server) }
            try await slow.untilWaiting(Self.count)
            quick.connection.send([7, 7, 7])
            try await quick.untilWaiting(2)
            if policy == .dropOldest {
                // The next slow consumer there finds nothing to evict except this backlog.
                let next = try await Laggard(server, ofQuick, "quick", notOn: loop)
                try await Self.publish(1, of: 100, to: "quick", at: server)
                try await quick.connection.until { $0.subscriber!.backlog.count == 1 }
                await next.client.close()
            }
            #expect(try await quick.read(policy == .dropOldest ? 1 : 2).last == 7)
            #expect(await server.server.counters().slowConsumers == 0)
            await slow.client.close()
            await quick.client.close()
        }
    }

    @Test("The slowest consumer of a loop pays itself if another loop has the whole budget")
    func slowestOfItsLoop() async throws {
        let (ofSlow, ofQuick) = (Recorder(), Recorder())
        try await withServer(Self.router(ofSlow, ofQuick)) {
            $0.loops = 2
            $0.topics.backlogMax = .mebibytes(1)
            $0.limits.outboxMax = .mebibytes(64)
        } _: { server in
            let slow = try await Laggard(server, ofSlow, "slow")
            let quick = try await Laggard(
                server, ofQuick, "quick", notOn: slow.connection.core.loop)
            for number in 0..<Self.count { try await Self.publish(number, to: "slow", at: server) }
            try await slow.untilWaiting(Self.count)
            try await Self.publish(0, of: 100, to: "quick", at: server)
            try await ofQuick.events.next { $0 == Self.resetEvent }
            #expect(try await slow.read(Self.count) == Array(0..<UInt8(Self.count)))
            #expect(await server.server.counters().slowConsumers == 1)
            await slow.client.close()
            await quick.client.close()
        }
    }

    @Test("Outboxes count too: beyond the limit, connections with much left are reset")
    func outboxesCount() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.loops = 1
            $0.topics.backlogMax = .mebibytes(1)
            $0.topics.slowSubscribers = .dropOldest
            $0.limits.outboxMax = .mebibytes(64)
        } _: { server in
            var members: [(client: RawClient, connection: Connection)] = []
            for _ in 0..<4 {
                let client = try await server.upgraded(receiveBuffer: 4_096)
                let connection = try await recorder.connections.next()
                await connection.onLoop { _ = Connection(core: $0).subscribe(to: "news") }
                members.append((client, connection))
            }
            // More than the kernel accepts, by more than the limit: one always fits.
            try await Self.publish(7, of: Laggard.size, to: "news", at: server)
            for _ in 1..<members.count {
                try await recorder.events.next { $0 == Self.resetEvent }
            }
            let counters = await server.server.counters()
            #expect(counters.slowConsumers == members.count - 1)
            #expect(counters.topics.deliveries == members.count && counters.topics.dropped == 0)
            for (client, connection) in members {
                if await connection.onLoop({ $0.stage == .open }) {
                    #expect(try await client.readFrame().payload.count == Laggard.size)
                    // Everything has been sent, so there is room again.
                    try await Self.publish(8, of: 100, to: "news", at: server)
                    #expect(try await client.readFrame().payload.count == 100)
                }
                await client.close()
            }
        }
    }

    @Test("If several connections are reset while frames are gathered, each is counted once")
    func gathered() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.loops = 1
            $0.topics.backlogMax = .mebibytes(1)
            $0.limits.outboxMax = .mebibytes(64)
        } _: { server in
            var clients: [RawClient] = []
            var connections: [Connection] = []
            for _ in 0..<3 {
                clients.append(try await server.upgraded(receiveBuffer: 4_096))
                connections.append(try await recorder.connections.next())
                connections.last!.subscribe(to: "one")
                connections.last!.subscribe(to: "two")
            }
            // At most a mebibyte may wait for the loop, and the kernel accepts several.
            let payload = [UInt8](repeating: 7, count: 64 << 10)
            for _ in 0..<20 {
                await connections[0].onLoop { core in
                    for number in 0..<14 {
                        Connection(core: core).publish(
                            payload.span.bytes, as: .binary, to: number % 2 == 0 ? "one" : "two")
                    }
                }
            }
            for _ in clients { try await recorder.events.next { $0 == Self.resetEvent } }
            #expect(await server.server.counters().slowConsumers == clients.count)
            for client in clients { await client.close() }
        }
    }

    @Test(
        "Each sent publication is counted, however it is compressed, at once or later",
        arguments: ["plain", "standalone", "shared", "ownContext"])
    func deliveries(mode: String) async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.limits.outboxMax = .mebibytes(64)
            $0.compression.contextTakeover =
                switch mode {
                case "ownContext": .perConnection
                case "shared": .shared
                default: .off
                }
        } _: { server in
            let client = try server.raw(receiveBuffer: 4_096)
            let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
            try await client.upgrade("/ws", mode == "plain" ? "" : offer)
            let connection = try await recorder.connections.next()
            let agreed = await connection.onLoop { core in
                Connection(core: core).subscribe(to: "news")
                return "\(core.subscriber!.mode)"
            }
            #expect(agreed == mode)
            // Incompressible, and more than the kernel accepts.
            var random = SplitMix(1)
            let payload = (0..<16 << 10).flatMap { _ in
                withUnsafeBytes(of: random.next()) { [UInt8]($0) }
            }
            let count = 100
            for _ in 0..<count {
                try await server.server.publish(
                    Publication(payload.span.bytes, as: .binary, to: "news"))
            }
            for _ in 0..<count {
                #expect(try await client.readFrame().payload.count >= payload.count)
            }
            // Nothing waits any more, and no connection is listed as waiting.
            #expect(await connection.onLoop { $0.resources.topics!.delivery.slow.count } == 0)
            let counters = await server.server.counters()
            #expect(counters.topics.delayed > 0)
            #expect(counters.topics.deliveries == UInt64(count))
            #expect(counters.messages.messagesSent == UInt64(count))
            #expect(counters.messages.bytesSent == UInt64(count * payload.count))
            await client.close()
        }
    }

    @Test(
        "A publication that waited for several subscribers is compressed once for all of them",
        arguments: [Compression.ContextTakeover.shared, .off])
    func compressedOnce(takeover: Compression.ContextTakeover) async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.limits.outboxMax = .mebibytes(64)
            $0.compression.contextTakeover = takeover
        } _: { server in
            var clients: [RawClient] = []
            for _ in 0..<3 {
                let client = try server.raw(receiveBuffer: 4_096)
                try await client.upgrade(
                    "/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
                let connection = try await recorder.connections.next()
                connection.subscribe(to: "news")
                let much = [UInt8](repeating: 0, count: Laggard.size)
                connection.sendUncompressed(much.span.bytes, as: .binary)
                try await connection.until { $0.outboxCount > 0 }
                clients.append(client)
            }
            let count = 10
            for number in 0..<count {
                let text = String(repeating: "\(number), and the same again; ", count: 30)
                try await server.server.publish(
                    Publication(text.utf8Span.span.bytes, as: .text, to: "news"))
            }
            for client in clients {
                #expect(try await client.readFrame().payload.count == Laggard.size)
                for _ in 0..<count { #expect(try await client.readFrame().first == 0xC1) }
            }
            let counters = await server.server.counters()
            #expect(counters.topics.delayed == clients.count * count)
            #expect(counters.compression.messagesDeflated == count)
            for client in clients { await client.close() }
        }
    }
}
