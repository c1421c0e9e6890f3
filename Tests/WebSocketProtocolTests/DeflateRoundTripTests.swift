import Testing
import WebSocketProtocol

@Suite("Deflate: round trips")
struct DeflateRoundTripTests {
    static let samples: [[UInt8]] =
        [1, 2, 20, 160, 255, 1_024, 4_096, 5_000, 65_535, 65_536]
        .map { DeflateSamples.json($0, seed: UInt64($0)) }
        + [100, 3_000, 70_000].map { [UInt8](repeating: 0x61, count: $0) }
        + [DeflateSamples.far(400, seed: 1), DeflateSamples.far(3_000, seed: 2)]

    struct Setting: CustomTestStringConvertible {
        var engine: DeflateEngine
        var level: Int
        var testDescription: String { "\(engine) \(level)" }
    }

    static let settings = DeflateEngine.available.flatMap { engine in
        (1...9).map { Setting(engine: engine, level: $0) }
    }

    @Test(
        "What a deflater makes, plain zlib reads within the same window", arguments: settings)
    func compressed(_ setting: Setting) {
        for windowBits in 9...15 {
            for memoryLevel in setting.level == 1 ? [1, 5, 9] : [5] {
                var deflater = Deflater(
                    engine: setting.engine, level: setting.level, windowBits: windowBits,
                    memoryLevel: memoryLevel)
                let sent = Self.samples.map { deflater.compress($0) }
                let plain = zip(Self.samples, sent).filter { $1 != nil }.map(\.0)
                #expect(plain.count >= Self.samples.count - 5)
                for (sample, message) in zip(Self.samples, sent) {
                    #expect(message.map { $0.count < sample.count } ?? true)
                }
                // One byte at a time, so that the window limits the distances exactly.
                let isStrict = setting.level % 4 == 1 && memoryLevel == 5
                let read = PlainZlib.inflate(
                    sent.compactMap { $0 }, windowBits: windowBits, step: isStrict ? 1 : 4_096)
                let isSame = read == plain  // Too large to print.
                #expect(isSame)
            }
        }
    }

    @Test("A decompressor reads the output of plain zlib", arguments: DeflateEngine.available)
    func decompressed(_ engine: DeflateEngine) {
        for windowBits in 9...15 {
            for level in 0...9 {
                let sent = PlainZlib.deflate(Self.samples, level: level, windowBits: windowBits)
                var inflater = Inflater(engine: engine, windowBits: windowBits)
                for (message, sample) in zip(sent, Self.samples) {
                    let run = inflater.run(message)
                    #expect(run.result == sample)
                    #expect(run.leaps == 0)
                }
            }
        }
    }

    @Test("A mebibyte is unchanged, whatever the initial room", arguments: [0, 1, 100_000])
    func large(capacity: Int) throws {
        let sample = DeflateSamples.json(1 << 20, seed: 7)
        for engine in DeflateEngine.available {
            var deflater = Deflater(engine: engine, level: 1, windowBits: 12, memoryLevel: 5)
            let message = try deflater.shrink(sample)
            for other in DeflateEngine.available {
                var inflater = Inflater(engine: other, windowBits: 15)
                let run = inflater.run(message, limit: sample.count, capacity: capacity)
                #expect(run.result == sample)
                #expect(run.capacity <= sample.count)
                #expect(run.leaps == 0)
            }
        }
    }

    @Test("An incompressible message isn't sent compressed", arguments: DeflateEngine.available)
    func incompressible(_ engine: DeflateEngine) {
        var deflater = Deflater(engine: engine, level: 1, windowBits: 12, memoryLevel: 5)
        for count in [1, 2, 3, 10, 160, 4_096, 65_536, 1 << 20] {
            let noise = DeflateSamples.noise(count, seed: UInt64(count))
            #expect(deflater.compress(noise) == nil)
            // It leaves no state.
            let sample = DeflateSamples.json(1_000, seed: 3)
            let message = deflater.compress(sample)
            #expect(message.map { PlainZlib.inflate([$0]) } == [sample])
        }
    }
}
