import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Topics under churn") struct TopicChurnTests {
    /// A handler that obeys the first word of a message, and knows all connections on all loops.
    private final class Relay: ConnectionHandler, Sendable {
        let members = Locked<Set<Connection>>([])
        let closed = Locked(0)

        func onOpen(_ connection: Connection) { members.withLock { _ = $0.insert(connection) } }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            let words = String(payload).split(separator: " ", maxSplits: 1).map(String.init)
            switch words[0] {
            case "subscribe":
                connection.subscribe(to: words[1])
                connection.send("subscribed")
            case "unsubscribe": connection.unsubscribe(from: words[1])
            default: connection.send(payload, as: kind)
            }
        }

        func onClose(_ connection: Connection, code: CloseCode, reason: String) {
            members.withLock { _ = $0.remove(connection) }
            closed.withLock { $0 += 1 }
        }
    }

    private static let topics = (0..<6).map { "topic/\($0)" }
    private static let slow: [SlowSubscriberPolicy] = [.disconnect, .dropOldest, .conflate]

    /// Returns the content that a publisher publishes under a number. The number grows by one each
    /// time.
    private static func content(_ topic: String, _ publisher: Int, _ number: Int) -> String {
        "\(topic) \(publisher) \(number) " + String(repeating: "steady, ", count: number % 40)
    }

    /// A client with its own compressor and decompressor, so that a wrong context is detected.
    private static var compression: Compression {
        var compression = Compression()
        compression.allowsPeerContextTakeover = true
        return compression
    }

    @Test("Joins, leaves and publications on four loops and from other threads leave nothing open")
    func churn() async throws {
        let relay = Relay()
        let slowRelay = Relay()
        var router = Router.single(relay)
        router.webSocket("/slow") { _ in .accept(slowRelay) }
        try await withServer(router) {
            $0.loops = 4
            $0.limits.outboxMax = .kibibytes(256)
            $0.limits.closeTimeout = .seconds(2)
            $0.heartbeat.interval = nil
            $0.topics.rules = Self.slow.enumerated().map {
                .init(prefix: "slow/\($0)", policy: $1)
            }
        } _: { server in
            try await withClient(loops: 2, compression: Self.compression) { client in
                try await Self.everything(server, client, relay)
            }
            try await within {
                while server.server.connectionCount > 0 { await Task.yield() }
            }
            let counters = await server.server.counters()
            #expect(counters.opened == counters.closedTotal)
            #expect(counters.opened == relay.closed.value + slowRelay.closed.value)
            #expect(relay.members.value.isEmpty)
            #expect(slowRelay.members.value.isEmpty)
            #expect(await server.server.topics() == [])
            #expect(counters.topics.subscriptions == 0)
            #expect(counters.topics.deliveries > 1_000)
            #expect(counters.topics.dropped > 0)
            #expect(counters.topics.conflated > 0)
            #expect(counters.slowConsumers > 0)
        }
    }

    /// The slow ones read nothing until all others are done.
    private static func everything(
        _ server: LiveServer, _ client: WebSocketClient, _ relay: Relay
    ) async throws {
        var slow: [RawClient] = []
        for index in Self.slow.indices {
            let client = try await server.upgraded("/slow", receiveBuffer: 4_096)
            try await client.send(.text("subscribe slow/\(index)"))
            #expect(try await client.readFrame() == .text("subscribed"))
            slow.append(client)
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            let living = Locked(16)
            for number in 0..<living.value {
                tasks.addTask {
                    defer { living.withLock { $0 -= 1 } }
                    try await live(number, server, client, relay)
                }
            }
            for publisher in 100..<104 {
                tasks.addTask { try await publish(as: publisher, server, while: living) }
            }
            tasks.addTask {
                let long = String(repeating: "x", count: 10_000)
                for number in 0..<1_000 {
                    for index in Self.slow.indices {
                        try await server.server.publish(
                            Publication(
                                "\(number) \(long)".utf8Span.span.bytes, as: .text,
                                to: "slow/\(index)", key: "\(number % 7)"))
                    }
                }
            }
            try await tasks.waitForAll()
        }
        for client in slow { await client.reset() }
    }

    /// Publishes until the others end, no faster than the loops turn.
    private static func publish(
        as publisher: Int, _ server: LiveServer, while living: Locked<Int>
    ) async throws {
        var chosen = SplitMix(UInt64(publisher))
        var number = 0
        while living.value > 0 {
            for _ in 0..<20 {
                let topic = topics.randomElement(using: &chosen)!
                let text = content(topic, publisher, number)
                number += 1
                try await server.server.publish(
                    Publication(text.utf8Span.span.bytes, as: .text, to: topic))
            }
            _ = await server.server.counters()
            _ = await server.server.topics()
        }
    }

    /// Runs twelve connections, one after the other, that subscribe, unsubscribe, publish and
    /// receive echoes, and end in different ways. It also changes the subscriptions of others from
    /// this thread.
    private static func live(
        _ publisher: Int, _ server: LiveServer, _ client: WebSocketClient, _ relay: Relay
    ) async throws {
        var chosen = SplitMix(UInt64(publisher))
        var number = 0
        for _ in 0..<12 {
            let connection = try await client.connect(to: server.url("/ws"))
            let reading = Task { await read(connection) }
            for _ in 0..<Int.random(in: 20..<80, using: &chosen) {
                let topic = topics.randomElement(using: &chosen)!
                let other = relay.members.value.randomElement()
                switch Int.random(in: 0..<8, using: &chosen) {
                case 0...2: try? await connection.send("subscribe \(topic)")
                case 3: try? await connection.send("unsubscribe \(topic)")
                case 4: other?.subscribe(to: topic)
                case 5: other?.unsubscribe(from: topic)
                case 6:
                    // Compressed, so that it has its own context.
                    let text = String(repeating: "between us, ", count: 40)
                    try? await connection.send("echo \(text)")
                default:
                    other?.publish(content(topic, publisher, number), to: topic)
                    number += 1
                }
            }
            if Bool.random(using: &chosen) {
                await connection.connection.onLoop { $0.terminate(reset: true) }
            } else {
                await connection.close(.normalClosure)
            }
            _ = await connection.waitUntilClosed()
            await reading.value
        }
    }

    /// Checks that the numbers of each publisher and topic grow, and that each message fits its
    /// number.
    private static func read(_ connection: ClientConnection) async {
        var last: [String: Int] = [:]
        while let message = await connection.receive() {
            let text = message.text
            let words = text.split(separator: " ", maxSplits: 3)
            guard words.count > 2, let publisher = Int(words[1]), let number = Int(words[2]) else {
                #expect(text == "subscribed" || text.hasPrefix("echo "))
                continue
            }
            let topic = String(words[0])
            #expect(text == content(topic, publisher, number))
            #expect(number > last["\(topic) \(publisher)"] ?? -1)
            last["\(topic) \(publisher)"] = number
        }
    }
}
