import TestSupport
import Testing
import WebSocketProtocol

@testable import PubSub

@Suite("Shared-context compression: how contexts meet, and what they save")
struct SharedContextRatioTests {
    typealias World = SharedContextWorld

    /// Quotes of about 120 B, as in a feed of many symbols: prices change a little.
    private struct Quotes {
        private var choices: SharedContextTests.Choices
        private var time = 1_760_000_000_000
        private var cents = [25_712, 51_204, 18_830, 22_465, 24_391, 71_055, 43_377, 28_944]

        init(seed: UInt64) { choices = .init(seed: seed) }

        mutating func next(_ topic: Int) -> [UInt8] {
            func random(_ count: Int) -> Int {
                (Int(choices.next()) << 8 | Int(choices.next())) % count
            }
            let symbol = random(8)
            let name = ["AAPL", "MSFT", "NVDA", "AMZN", "GOOG", "META", "TSLA", "ORCL"][symbol]
            time += random(900)
            cents[symbol] += random(9) - 4
            let ask = cents[symbol] + 1 + random(3)
            return Array(
                """
                {"type":"quote","feed":\(topic),"symbol":"\(name)","time":\(time),\
                "bid":\(cents[symbol] / 100).\(cents[symbol] % 100),"bidSize":\(random(50) * 10),\
                "ask":\(ask / 100).\(ask % 100),"askSize":\(random(50) * 10)}
                """.utf8)
        }
    }

    @Test(
        "readers that joined at different times share one context after a window of traffic",
        arguments: DeflateEngine.available)
    func meets(engine: DeflateEngine) {
        let world = World(engine: engine)
        var quotes = Quotes(seed: 1)
        for index in 0..<200 {
            world.join(.init(takesOver: true, windowBits: 15, topics: 1))
            if index % 3 == 0 { world.publish(quotes.next(0), topic: 0) }
        }
        #expect(world.contexts.liveContexts > 30)
        var bytes = 0
        while bytes < World.windowSize {
            let quote = quotes.next(0)
            bytes += quote.count
            world.publish(quote, topic: 0)
        }
        #expect(world.contexts.liveContexts == 1)
        #expect(World.windowSize...3 * World.windowSize ~= world.contexts.memorySize)
        let before = world.encodingsTotal
        world.publish(quotes.next(0), topic: 0)
        #expect(world.encodingsTotal == before + 1)
        world.checkIdentity()
        world.end()
        #expect(world.contexts.memorySize == 0)
        #expect(world.faults == [])
    }

    struct Share {
        let topics: Int
        let most: Double
    }

    @Test(
        "Quotes shrink as much as with context takeover, for one compression",
        arguments: DeflateEngine.available,
        [Share(topics: 1, most: 0.27), .init(topics: 3, most: 0.36)])
    func shares(engine: DeflateEngine, share: Share) {
        let world = World(engine: engine)
        for _ in 0..<20 {
            world.join(.init(takesOver: true, windowBits: 12, topics: 1 << share.topics - 1))
        }
        var quotes = Quotes(seed: 2)
        for round in 0..<600 {
            world.publish(quotes.next(round % share.topics), topic: round % share.topics)
        }
        #expect(world.encodingsTotal == 600)
        let ratio = Double(world.bytesWritten) / Double(world.bytesPlain)
        #expect(ratio < share.most, "\(ratio), \(world.bytesPlain / world.deliveries) B a frame")
        #expect(world.bytesPlain / world.deliveries < 140)
        world.end()
        #expect(world.faults == [])
    }

    @Test(
        "Tiny events, of which none shrinks alone, get contexts too, and late joiners the same one",
        arguments: DeflateEngine.available)
    func tiny(engine: DeflateEngine) {
        let world = World(engine: engine)
        var quotes = Quotes(seed: 3)
        func publish() { world.publish(Array(quotes.next(0).prefix(48)), topic: 0) }
        for _ in 0..<20 { world.join(.init(takesOver: true, windowBits: 12, topics: 1)) }
        for _ in 0..<300 { publish() }
        let ratio = Double(world.bytesWritten) / Double(world.bytesPlain)
        #expect(ratio < 0.5, "\(ratio)")
        for _ in 0..<5 {
            world.join(.init(takesOver: true, windowBits: 12, topics: 1))
            publish()
        }
        for _ in 0..<(World.windowSize / 48 + 1) { publish() }
        #expect(world.contexts.liveContexts == 1)
        world.end()
        #expect(world.faults == [])
    }

    @Test("Random data costs a reader six bytes, once", arguments: DeflateEngine.available)
    func noise(engine: DeflateEngine) {
        let world = World(engine: engine)
        let choices = SharedContextTests.Choices(seed: 4)
        for index in 0..<20 {
            // Half of the readers keep no context. They never receive a compressed frame longer
            // than the plain one.
            world.join(.init(takesOver: index % 2 == 0, windowBits: 15, topics: 1))
        }
        for round in 0..<100 {
            world.publish((0..<60).map { _ in choices.next() }, topic: 0)
            // The shared context doesn't help a reader that joins later, either.
            if round == 50 { world.join(.init(takesOver: true, windowBits: 15, topics: 1)) }
        }
        #expect(world.bytesWritten == world.bytesPlain + 10 * 6)
        #expect(world.contexts.liveContexts == 1)
        world.end()
        #expect(world.faults == [])
    }
}
