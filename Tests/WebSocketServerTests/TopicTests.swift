import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Topics, end to end") struct TopicTests {
    typealias Frame = RawClient.Frame

    /// A handler that subscribes to the topics in its path's query, and publishes its messages to
    /// the topic before the first colon.
    private final class Relay: ConnectionHandler, Sendable {
        let topics: [String]

        init(_ topics: [String]) { self.topics = topics }

        func onOpen(_ connection: Connection) {
            for topic in topics { connection.subscribe(to: topic) }
            connection.send("ready")
        }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            let topic = String(payload).prefix { $0 != ":" }
            connection.publish(payload, as: kind, to: String(topic))
        }
    }

    private static var relay: Router {
        var router = Router()
        router.upgrade("/ws") { request in
            .accept(Relay(request.query?.string.split(separator: ",").map(String.init) ?? []))
        }
        return router
    }

    private static func join(_ server: LiveServer, _ topics: String) async throws -> RawClient {
        let client = try await server.upgraded("/ws?\(topics)")
        #expect(try await client.readFrame() == .text("ready"))
        return client
    }

    @Test("A publication reaches only the subscribers of its topic, on all loops")
    func reaches() async throws {
        try await withServer(Self.relay) {
            $0.loops = 2
            $0.heartbeat.interval = nil
        } _: { server in
            var clients: [RawClient] = []
            for index in 0..<8 {
                clients.append(try await Self.join(server, index < 6 ? "a,b" : "b"))
            }
            try await clients[7].send(.text("a:1"))
            try await clients[7].send(.text("b:2"))
            for (index, client) in clients.enumerated() {
                if index < 6 { #expect(try await client.readFrame() == .text("a:1")) }
                #expect(try await client.readFrame() == .text("b:2"))
            }
            let topics = await server.server.topics().sorted { $0.name < $1.name }
            #expect(topics.map(\.name) == ["a", "b"])
            #expect(topics.map(\.subscribers) == [6, 8])
            try await server.server.publish(
                Publication(([1, 2] as [UInt8]).span.bytes, as: .binary, to: "a"))
            #expect(try await clients[0].readFrame() == Frame(first: 0x82, payload: [1, 2]))
            for client in clients { await client.close() }
        }
    }

    /// Sizes below and above the limit for gathered writes, and one or two topics per turn.
    @Test(
        "Publications of one turn arrive complete and in order, plain and compressed",
        arguments: [10, 3_000, 40_000], [["a"], ["a", "b"]])
    func bursts(size: Int, topics: [String]) async throws {
        let count = 24
        @Sendable func text(_ number: Int) -> String {
            let topic = topics[number % topics.count]
            return "\(topic):\(number) " + String(repeating: "\(number),", count: size / 3)
        }
        try await withServer(Self.relay) {
            $0.limits.outboxMax = .mebibytes(64)
            $0.heartbeat.interval = nil
        } _: { server in
            let all = topics.joined(separator: ",")
            try await withClient(compression: Compression()) { client in
                var compressed: [ClientConnection] = []
                var plain: [RawClient] = []
                for _ in 0..<3 {
                    plain.append(try await Self.join(server, all))
                    compressed.append(try await client.connect(to: server.url("/ws?\(all)")))
                    #expect(await compressed.last!.receive() == Message("ready"))
                }
                var burst: [UInt8] = []
                for number in 0..<count { burst += Frame.text(text(number)).encoded() }
                try await plain[0].send(burst)
                // One order per topic; between topics there is none.
                func check(_ texts: [String]) {
                    for topic in topics {
                        let numbers = (0..<count).filter { topics[$0 % topics.count] == topic }
                        #expect(texts.filter { $0.hasPrefix(topic) } == numbers.map(text))
                    }
                }
                for one in plain {
                    var texts: [String] = []
                    for _ in 0..<count {
                        texts.append(
                            String(decoding: try await one.readFrame().payload, as: UTF8.self))
                    }
                    check(texts)
                }
                for one in compressed {
                    var texts: [String] = []
                    for _ in 0..<count { texts.append(await one.receive()?.text ?? "") }
                    check(texts)
                }
                for one in plain { await one.close() }
            }
        }
    }

    @Test(
        "Ten publishers on two loops: all subscribers of a topic receive one order",
        arguments: [1, 2, 3] as [UInt64])
    func order(seed: UInt64) async throws {
        try await withServer(Self.relay) {
            $0.loops = 2
            $0.limits.outboxMax = .mebibytes(64)
            $0.heartbeat.interval = nil
        } _: { server in
            let topics = ["a", "b", "c", "d", "e"]
            var random = SplitMix(seed)
            var readers: [(client: RawClient, topics: [String])] = []
            // Everyone gets some topics, and each topic has a reader.
            for number in 0..<12 {
                let chosen = topics.enumerated().filter {
                    random.next() % 2 == 0 || $0.offset == number % topics.count
                }.map(\.element)
                readers.append((try await Self.join(server, chosen.joined(separator: ",")), chosen))
            }
            var publishers: [RawClient] = []
            for _ in 0..<10 { publishers.append(try await Self.join(server, "")) }
            let each = 60
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for (number, publisher) in publishers.enumerated() {
                    tasks.addTask {
                        for count in 0..<each {
                            let topic = topics[(number + count) % topics.count]
                            try await publisher.send(.text("\(topic):\(number).\(count)"))
                        }
                    }
                }
                try await tasks.waitForAll()
            }
            var orders: [String: [String]] = [:]
            let ofTopic = publishers.count * each / topics.count
            for reader in readers {
                var order: [String: [String]] = [:]
                for _ in 0..<reader.topics.count * ofTopic {
                    let text = String(
                        decoding: try await reader.client.readFrame().payload, as: UTF8.self)
                    order[String(text.prefix(1)), default: []].append(text)
                }
                for topic in reader.topics {
                    #expect(order[topic]?.count == ofTopic)
                    #expect(order[topic] == orders[topic, default: order[topic] ?? []])
                    orders[topic] = order[topic]
                }
            }
            #expect(orders.values.reduce(0) { $0 + $1.count } == publishers.count * each)
            for client in readers.map(\.client) + publishers { await client.close() }
        }
    }

    @Test("Subscriptions are limited, validated, and unique for each topic")
    func outcomes() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.topics.perConnectionMax = 2
            $0.topics.nameSizeMax = 5
        } _: { server in
            let client = try await server.upgraded()
            let connection = try await recorder.connections.next()
            let outcomes = await connection.onLoop { core in
                ["", "123456", "a\nb", "é12", "é123", "a", "a", "b", "c"].map {
                    Connection(core: core).subscribe(to: $0)
                }
            }
            #expect(
                outcomes == [
                    .invalidName, .invalidName, .invalidName, .subscribed, .subscribed, .tooMany,
                    .tooMany, .tooMany, .tooMany,
                ])
            #expect(await connection.onLoop { Connection(core: $0).subscriptions }.count == 2)
            #expect(connection.subscribe(to: "x") == .handedOver)
            let again = await connection.onLoop { core -> [Connection.SubscribeOutcome] in
                let connection = Connection(core: core)
                connection.unsubscribe(from: "é12")
                return [connection.subscribe(to: "é123"), connection.subscribe(to: "new")]
            }
            #expect(again == [.alreadySubscribed, .subscribed])
            await client.close()
            _ = try await recorder.end()
            #expect(connection.subscribe(to: "x") != .subscribed)
            #expect(await server.server.topics() == [])
        }
    }

    @Test("Nothing arrives after unsubscribing")
    func unsubscribe() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try await server.upgraded()
            let connection = try await recorder.connections.next()
            _ = await connection.onLoop { Connection(core: $0).subscribe(to: "a") }
            connection.publish("1", to: "a")
            #expect(try await client.readFrame() == .text("1"))
            connection.unsubscribe(from: "a")
            connection.publish("2", to: "a")
            connection.send("3")
            #expect(try await client.readFrame() == .text("3"))
            await client.close()
        }
    }

    @Test(
        "Publications that wait for a slow consumer follow its topic's policy",
        arguments: [SlowSubscriberPolicy.disconnect, .dropOldest, .conflate])
    func slow(policy: SlowSubscriberPolicy) async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.loops = 1
            $0.limits.outboxMax = .kibibytes(256)
            $0.heartbeat.interval = nil
            $0.topics.rules = [.init(prefix: "slow/", policy: policy)]
        } _: { server in
            let client = try await server.upgraded(receiveBuffer: 4_096)
            let connection = try await recorder.connections.next()
            let size = 10_000
            let count = 2_000
            let isSlow = await connection.onLoop { core -> Bool in
                let connection = Connection(core: core)
                connection.subscribe(to: "slow/x")
                return true
            }
            #expect(isSlow)
            for number in 0..<count {
                let text = "\(number) " + String(repeating: "x", count: size)
                connection.publish(text, to: "slow/x", key: "\(number % 7)")
            }
            if policy == .disconnect {
                try await within {
                    while await server.server.counters().slowConsumers == 0 {
                        try Task.checkCancellation()
                    }
                }
                // The Close frame follows the data in the outbox; the backlog is gone.
                var frames: [Frame] = []
                repeat {
                    frames.append(try await client.readFrame())
                } while frames.last!.first == 0x81
                #expect(frames.last == .close(.slowConsumer, "slow consumer"))
                #expect(frames.count < count)
                for (number, frame) in frames.dropLast().enumerated() {
                    #expect(frame.payload.starts(with: "\(number) ".utf8))
                }
                await client.close()
                #expect(try await recorder.end() == .closed(.slowConsumer, "slow consumer"))
                return
            }
            _ = await connection.onLoop { _ in }
            // Its own message keeps its place after the remaining ones.
            connection.send("end")
            var numbers: [Int] = []
            while true {
                let text = String(decoding: try await client.readFrame().payload, as: UTF8.self)
                if text == "end" { break }
                numbers.append(Int(text.prefix { $0 != " " })!)
            }
            #expect(numbers == numbers.sorted())
            #expect(numbers.count < count)
            #expect(numbers.suffix(7) == Array(count - 7..<count).suffix(7))
            let counts = await server.server.counters().topics
            #expect(counts.dropped + counts.conflated == UInt64(count - numbers.count))
            #expect(policy == .conflate ? counts.conflated > 0 : counts.dropped > 0)
            await client.close()
        }
    }
}
