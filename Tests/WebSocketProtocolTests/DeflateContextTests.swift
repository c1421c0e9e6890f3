import Testing
import WebSocketProtocol

@Suite("Deflate: context takeover")
struct DeflateContextTests {
    @Test("A thousand messages share a context", arguments: DeflateEngine.available)
    func thousandSent(_ engine: DeflateEngine) {
        for windowBits in [9, 12, 15] {
            var deflater = Deflater(
                engine: engine, level: 1, windowBits: windowBits, memoryLevel: 5)
            let samples = (0..<1_000).map {
                DeflateSamples.json(300 + Int($0 * $0) % 3_000, seed: $0)
            }
            let sent = samples.map { deflater.compress($0, keepContext: true) ?? [] }
            #expect(!sent.contains([]))
            #expect(
                PlainZlib.inflate(sent, windowBits: windowBits, step: 1, keepContext: true)
                    == samples)
            let alone = PlainZlib.deflate(samples, level: 1, windowBits: windowBits)
            #expect(sent.joined().count < alone.joined().count)
        }
    }

    @Test("A thousand messages of a peer's share a context", arguments: DeflateEngine.available)
    func thousandReceived(_ engine: DeflateEngine) {
        for windowBits in [9, 12, 15] {
            let samples = (0..<1_000).map {
                DeflateSamples.json(Int($0 * $0) % 3_000, seed: $0)
            }
            let sent = PlainZlib.deflate(samples, windowBits: windowBits, keepContext: true)
            var inflater = Inflater(engine: engine, windowBits: windowBits)
            for (message, sample) in zip(sent, samples) {
                #expect(inflater.run(message, keepContext: true).result == sample)
            }
        }
    }

    @Test("A message sent plain ends the deflater's context", arguments: DeflateEngine.available)
    func plainBetween(_ engine: DeflateEngine) {
        var deflater = Deflater(engine: engine, level: 1, windowBits: 15, memoryLevel: 8)
        var plain: [[UInt8]] = []
        var sent: [[UInt8]] = []
        for seed in 0..<60 as Range<UInt64> {
            let noise = DeflateSamples.noise(300, seed: seed % 3)
            let sample =
                seed % 4 == 0 ? noise : DeflateSamples.json(900, seed: seed) + noise[..<100]
            if let message = deflater.compress(sample, keepContext: true) {
                plain.append(sample)
                sent.append(message)
            }
        }
        #expect(plain.count >= 45)
        #expect(PlainZlib.inflate(sent, keepContext: true) == plain)
    }

    @Test("An empty message leaves the context as it is", arguments: DeflateEngine.available)
    func emptyBetween(_ engine: DeflateEngine) throws {
        let sample = DeflateSamples.json(500, seed: 1)
        var deflater = Deflater(engine: engine, level: 1, windowBits: 12, memoryLevel: 5)
        let sent = try [sample, [], sample].map {
            try deflater.shrink($0, keepContext: true)
        }
        #expect(sent[1] == [0])
        #expect(sent[2].count < sent[0].count / 2)
        var inflater = Inflater(engine: engine, windowBits: 12)
        #expect(inflater.run(sent[0], keepContext: true).result == sample)
        #expect(inflater.run(sent[1], keepContext: true).result == [])
        #expect(inflater.run([], keepContext: true).result == [])
        #expect(inflater.run(sent[2], keepContext: true).result == sample)
    }

    @Test("Without takeover, a message that refers to the one before is corrupt")
    func forgotten() {
        let sample = DeflateSamples.noise(2_000, seed: 1) + DeflateSamples.json(2_000, seed: 1)
        let sent = PlainZlib.deflate([sample, sample], keepContext: true)
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            #expect(inflater.run(sent[0], keepContext: false).result == sample)
            #expect(inflater.run(sent[1], keepContext: false).outcome == .corrupt)
            #expect(inflater.run(sent[0], keepContext: true).result == sample)
            inflater.reset()
            #expect(inflater.run(sent[1], keepContext: true).outcome == .corrupt)
            // And nothing is left of the fault.
            #expect(inflater.run(sent[0], keepContext: true).result == sample)
            #expect(inflater.run(sent[1], keepContext: true).result == sample)
        }
    }

    @Test("A context that is not kept any more is not used", arguments: DeflateEngine.available)
    func resetAfter(_ engine: DeflateEngine) throws {
        let sample = DeflateSamples.json(700, seed: 1)
        var deflater = Deflater(engine: engine, level: 1, windowBits: 12, memoryLevel: 5)
        let first = try deflater.shrink(sample, keepContext: true)
        let second = try deflater.shrink(sample, keepContext: false)
        let third = try deflater.shrink(sample, keepContext: true)
        deflater.reset()
        let fourth = try deflater.shrink(sample, keepContext: true)
        #expect(second.count < first.count)
        #expect(third == first && fourth == first)
    }
}
