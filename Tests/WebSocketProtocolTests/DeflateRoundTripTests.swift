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
                for keepContext in [false, true] {
                    var deflater = Deflater(
                        engine: setting.engine, level: setting.level, windowBits: windowBits,
                        memoryLevel: memoryLevel)
                    var plain: [[UInt8]] = []
                    var sent: [[UInt8]] = []
                    for sample in Self.samples {
                        guard
                            let message = deflater.compress(sample, keepContext: keepContext)
                        else { continue }
                        #expect(message.count < sample.count)
                        plain.append(sample)
                        sent.append(message)
                    }
                    #expect(plain.count >= Self.samples.count - 5)
                    // A byte at a time, so that the window is the limit it should be.
                    let isStrict = setting.level % 4 == 1 && keepContext
                    let read = PlainZlib.inflate(
                        sent, windowBits: windowBits, step: isStrict ? 1 : 4_096,
                        keepContext: keepContext)
                    #expect(read == plain)
                }
            }
        }
    }

    @Test("What plain zlib makes, an inflater reads", arguments: DeflateEngine.available)
    func decompressed(_ engine: DeflateEngine) {
        for windowBits in 9...15 {
            for level in 0...9 {
                for keepContext in [false, true] {
                    let sent = PlainZlib.deflate(
                        Self.samples, level: level, windowBits: windowBits,
                        keepContext: keepContext)
                    var inflater = Inflater(engine: engine, windowBits: windowBits)
                    for (message, sample) in zip(sent, Self.samples) {
                        let run = inflater.run(message, keepContext: keepContext)
                        #expect(run.result == sample)
                        #expect(run.leaps == 0)
                    }
                }
            }
        }
    }

    @Test("A window of 8 bits is read", arguments: DeflateEngine.available)
    func smallestWindow(_ engine: DeflateEngine) {
        // zlib does not write such raw streams: 200 bytes don't reach further than 8 bits do.
        var inflater = Inflater(engine: engine, windowBits: 8)
        let samples = (0..<50).map { DeflateSamples.json(200, seed: $0) }
        for (message, sample) in zip(PlainZlib.deflate(samples, windowBits: 9), samples) {
            #expect(inflater.run(message, keepContext: true).result == sample)
            inflater.reset()
        }
    }

    @Test("A mebibyte comes back, whatever the room it starts with", arguments: [0, 1, 100_000])
    func large(capacity: Int) throws {
        let sample = DeflateSamples.json(1 << 20, seed: 7)
        for engine in DeflateEngine.available {
            var deflater = Deflater(engine: engine, level: 1, windowBits: 12, memoryLevel: 5)
            let message = try deflater.shrink(sample, keepContext: false)
            for other in DeflateEngine.available {
                var inflater = Inflater(engine: other, windowBits: 15)
                let run = inflater.run(message, limit: sample.count, capacity: capacity)
                #expect(run.result == sample)
                #expect(run.capacity <= sample.count)
                #expect(run.leaps == 0)
            }
        }
    }

    @Test("What does not shrink is not sent compressed", arguments: DeflateEngine.available)
    func incompressible(_ engine: DeflateEngine) {
        var deflater = Deflater(engine: engine, level: 1, windowBits: 12, memoryLevel: 5)
        for count in [1, 2, 3, 10, 160, 4_096, 65_536, 1 << 20] {
            let noise = DeflateSamples.noise(count, seed: UInt64(count))
            #expect(deflater.compress(noise, keepContext: false) == nil)
            // Nothing of it is left.
            let sample = DeflateSamples.json(1_000, seed: 3)
            let message = deflater.compress(sample, keepContext: false)
            #expect(message.map { PlainZlib.inflate([$0]) } == [sample])
        }
    }

    @Test("Without the room that it asks for, nothing is written past what there is")
    func littleRoom() {
        let sample = DeflateSamples.json(2_000, seed: 4)
        for engine in DeflateEngine.available {
            var deflater = Deflater(engine: engine, level: 1, windowBits: 12, memoryLevel: 5)
            let whole = deflater.compress(sample, keepContext: false)
            for room in [0, 1, 3, 8, 100, 500, 600, 700, 2_000] {
                var output = [UInt8](repeating: 0xA5, count: room + 64)
                let count = sample.withUnsafeBytes { sample in
                    output.withUnsafeMutableBytes { output in
                        deflater.compress(
                            sample, into: .init(rebasing: output[..<room]), keepContext: false)
                    }
                }
                #expect(output[room...].allSatisfy { $0 == 0xA5 })
                if let count { #expect(Array(output[..<count]) == whole) }
            }
        }
    }
}
