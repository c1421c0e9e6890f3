import HTTPProtocol
import Testing
import LiveTesting

@testable import WebSocketServer

/// Names that are canonically equivalent, but whose bytes differ.
private let composed = "caf\u{E9}"
private let decomposed = "cafe\u{301}"

@Suite("Topics by bytes") struct TopicSpellingTests {
    @Test("Exact strings are equal if their bytes are, and then have the same hash")
    func exact() {
        let strings = [
            "", "a", "ab", "b", "topic", "a name that is longer than fifteen bytes", composed,
            decomposed, "a\u{323}\u{307}", "a\u{307}\u{323}", "\u{212B}", "\u{C5}", "\u{1F5A}",
        ]
        for a in strings {
            for b in strings {
                // A new copy, so that only the bytes can be the same.
                let copy = ExactString(String(decoding: Array(b.utf8), as: UTF8.self))
                let isSame = Array(a.utf8) == Array(b.utf8)
                #expect((ExactString(a) == copy) == isSame, "\(a.utf8) \(b.utf8)")
                if isSame { #expect(ExactString(a).hashValue == copy.hashValue) }
            }
        }
    }

    @Test("The prefix of a rule is compared by bytes")
    func rules() {
        var options = TopicConfiguration()
        options.rules = [.init(prefix: "cafe", policy: .conflate)]
        #expect(options.policy(of: decomposed) == .conflate)
        #expect(options.policy(of: composed) == .disconnect)
    }

    /// A handler that subscribes to the first spelling if its path is `/0`, otherwise to the
    /// second.
    private final class Listener: ConnectionHandler, Sendable {
        let topic: String
        init(topic: String) { self.topic = topic }
        func onOpen(_ connection: Connection) {
            connection.subscribe(to: topic)
            connection.send("ready")
        }
        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            connection.publish(payload, as: kind, to: topic)
        }
    }

    @Test("Subscribers of two spellings never receive each other's publications, also many at once")
    func endToEnd() async throws {
        var router = Router()
        router.upgrade("/0") { _ in .accept(Listener(topic: composed)) }
        router.upgrade("/1") { _ in .accept(Listener(topic: decomposed)) }
        try await withServer(router) { server in
            var clients: [RawClient] = []
            for path in ["/0", "/1"] {
                clients.append(try await server.upgraded(path))
                #expect(try await clients.last?.readFrame() == .text("ready"))
            }
            for number in 0..<20 {
                let spelling = number % 2
                let payload = "\(spelling) \(number)"
                try await server.server.publish(
                    Publication(
                        Array(payload.utf8).span.bytes, as: .text,
                        to: spelling == 0 ? composed : decomposed))
            }
            for (spelling, client) in clients.enumerated() {
                for number in stride(from: spelling, to: 20, by: 2) {
                    #expect(try await client.readFrame() == .text("\(spelling) \(number)"))
                }
            }
            #expect(await server.server.topics().map(\.subscribers) == [1, 1])
            for client in clients { await client.close() }
        }
    }
}

@Suite("Refused publications") struct RefusalTests {
    /// A broker that refuses publications while a flag is set.
    private final class Refusing: Broker {
        let base = MemoryBroker()
        let refuses = Locked(true)

        var health: BrokerHealth { base.health }
        func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {
            base.start(receive)
        }
        func publish(
            _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
        ) {
            if refuses.value {
                completion?(BrokerError(.unavailable, "for a test"))
            } else {
                base.publish(publication, completion: completion)
            }
        }
        func subscribe(to topic: String) {}
        func unsubscribe(from topic: String) {}
        func stop() async { await base.stop() }
    }

    private final class Talker: ConnectionHandler, Sendable {
        func onOpen(_ connection: Connection) { connection.subscribe(to: "topic") }
        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            connection.publish(payload, as: kind, to: "topic")
            connection.send("done")
        }
    }

    @Test("Publications of connections that a broker refuses are counted, and logged now and then")
    func counted() async throws {
        let broker = Refusing()
        let log = LogRecorder()
        try await withServer(.single(Talker()), broker: broker, logger: log.logger) {
            $0.loops = 2
        } _: { server in
            var clients: [RawClient] = []
            for _ in 0..<4 { clients.append(try await server.upgraded()) }
            for client in clients {
                for _ in 0..<5 {
                    try await client.send(.text("lost"))
                    #expect(try await client.readFrame() == .text("done"))
                }
            }
            try await within {
                while await server.server.counters().publicationsRefused < 20 {
                    await Task.yield()
                }
            }
            #expect(await server.server.counters().publicationsRefused == 20)
            // Once in ten seconds, which a busy machine may need.
            #expect(1..<20 ~= log.lines(with: "warning").count)
            broker.refuses.withLock { $0 = false }
            try await clients[0].send(.text("taken"))
            for client in clients.dropFirst() {
                #expect(try await client.readFrame() == .text("taken"))
            }
            #expect(await server.server.counters().publicationsRefused == 20)
            for client in clients { await client.close() }
        }
    }
}
