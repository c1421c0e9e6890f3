import Testing
import WebSocketProtocol

@Suite("Deflate: context takeover")
struct DeflateContextTests {
    /// Messages of many kinds: short, longer than most windows, empty, and incompressible.
    private static func samples(_ count: Int, seed: UInt64 = 0) -> [[UInt8]] {
        (0..<UInt64(count)).map { index in
            switch index % 16 {
            case 3: []
            case 7: DeflateSamples.noise(300, seed: index % 3)
            case 11: DeflateSamples.json(index % 64 == 11 ? 9_000 : 131, seed: seed + index)
            default: DeflateSamples.json(200 + Int(index * index) % 700, seed: seed + index)
            }
        }
    }

    @Test(
        "A thousand messages with one window are read by plain zlib",
        arguments: DeflateEngine.available, [9, 12, 15])
    func thousandSent(_ engine: DeflateEngine, windowBits: Int) {
        for level in [1, 3, 6] {
            var deflater = Deflater(
                engine: engine, level: level, windowBits: windowBits, memoryLevel: 5)
            var history = DeflateHistory(windowBits: windowBits)
            var plain: [[UInt8]] = []
            var sent: [[UInt8]] = []
            for sample in Self.samples(1_000) + [DeflateSamples.json(100_000, seed: 1)] {
                // An incompressible message is sent plain, and doesn't enter the window of either
                // side.
                guard let message = deflater.send(sample, &history) else { continue }
                plain.append(sample)
                sent.append(message)
            }
            #expect(plain.count > 900 && plain.count < 1_001)
            // One byte at a time, so that the window limits the distances exactly.
            let read = PlainZlib.inflate(
                sent, windowBits: windowBits, step: level == 1 ? 1 : 4_096, keepContext: true)
            let isSame = read == plain  // Too large to print.
            #expect(isSame)
            let alone = PlainZlib.deflate(plain, level: level, windowBits: windowBits)
            #expect(sent.joined().count < alone.joined().count)
        }
    }

    @Test(
        "A thousand messages of a peer with one window are read",
        arguments: DeflateEngine.available, [9, 12, 15])
    func thousandReceived(_ engine: DeflateEngine, windowBits: Int) {
        let samples = Self.samples(1_000) + [DeflateSamples.json(100_000, seed: 1)]
        let sent = PlainZlib.deflate(samples, windowBits: windowBits, keepContext: true)
        var inflater = Inflater(engine: engine, windowBits: windowBits)
        var history = DeflateHistory(windowBits: windowBits)
        for (message, sample) in zip(sent, samples) {
            #expect(inflater.receive(message, &history).result == sample)
        }
    }

    /// Both ends of one direction.
    private final class Direction {
        var sent = DeflateHistory(windowBits: 12)
        var received = DeflateHistory(windowBits: 12)
    }

    @Test(
        "Directions that share a codec have separate contexts", arguments: DeflateEngine.available)
    func sharedCodec(_ engine: DeflateEngine) {
        var deflater = Deflater(engine: engine, level: 1, windowBits: 12, memoryLevel: 5)
        var inflater = Inflater(engine: engine, windowBits: 12)
        let directions = (0..<3).map { _ in Direction() }
        let samples = (0..<3).map { Self.samples(200, seed: $0 * 7_000) }
        var shrunk = 0
        for round in 0..<200 {
            for (index, direction) in directions.enumerated() {
                let sample = samples[index][round]
                if let message = deflater.send(sample, &direction.sent) {
                    let run = inflater.receive(message, &direction.received)
                    #expect(run.result == sample)
                    shrunk += 1
                }
                // A direction without a context.
                if let message = deflater.compress(sample) {
                    #expect(PlainZlib.inflate([message]) == [sample])
                    #expect(inflater.run(message).result == sample)
                }
            }
        }
        #expect(shrunk > 550)
    }

    @Test("A history of any length works, from one byte on", arguments: DeflateEngine.available)
    func historySizes(_ engine: DeflateEngine) throws {
        let all = DeflateSamples.json(40_000, seed: 1)
        let message = Array(all[20_000..<20_700])
        for windowBits in [9, 12, 15] {
            var deflater = Deflater(
                engine: engine, level: 1, windowBits: windowBits, memoryLevel: 5)
            var inflater = Inflater(engine: engine, windowBits: windowBits)
            for count in Array(0...40) + [500, 511, 512, 513, 4_095, 4_097, 32_768, 40_000] {
                let history = Array(all.suffix(count))
                let sent = try deflater.shrink(message, after: history)
                #expect(inflater.run(sent, after: history).result == message)
                // Only the part within the window is used.
                let window = Array(history.suffix(1 << windowBits))
                #expect(deflater.compress(message, after: window) == sent)
                #expect(inflater.run(sent, after: window).result == message)
            }
        }
    }

    @Test("A window of 8 bits is read, after exactly that much history")
    func smallestWindow() throws {
        let all = DeflateSamples.noise(1_000, seed: 1)
        // Raw zlib writes with at least 9 bits, so its repetitions are near enough, or too far.
        let near = Array(all.suffix(240) + all.suffix(240))
        let far = Array(all.suffix(490).prefix(200) + all.suffix(490).prefix(200))
        var deflater = Deflater(engine: .zlib, level: 6, windowBits: 15, memoryLevel: 8)
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 8)
            var history = DeflateHistory(windowBits: 8)
            let sent = try deflater.shrink(near, after: Array(all.suffix(256)))
            #expect(inflater.run(sent, after: all).result == near)
            all.withUnsafeBytes { history.append($0) }
            #expect(history.bytes.count == 256)
            #expect(inflater.receive(sent, &history).result == near)
            let tooFar = try deflater.shrink(far, after: all)
            #expect(inflater.run(tooFar, after: all).outcome == .corrupt)
        }
    }

    @Test("Without its context, or with too little of it, a message is corrupt or another one")
    func forgotten() throws {
        let noise = DeflateSamples.noise(3_000, seed: 1)
        let message = noise + DeflateSamples.json(2_000, seed: 1)
        var deflater = Deflater(engine: .zlib, level: 6, windowBits: 15, memoryLevel: 8)
        let sent = try deflater.shrink(message, after: noise)
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            #expect(inflater.run(sent, after: noise).result == message)
            #expect(inflater.run(sent).outcome == .corrupt)
            #expect(inflater.run(sent, after: Array(noise.dropFirst(9))).outcome == .corrupt)
            let other = DeflateSamples.noise(3_000, seed: 2)
            let run = inflater.run(sent, after: other)
            #expect(run.result?.count == message.count && run.result != message)
            // This leaves no state either.
            #expect(inflater.run(sent, after: noise).result == message)
        }
    }

    @Test("A message leaves no state in the codec", arguments: DeflateEngine.available)
    func nothingLeft(_ engine: DeflateEngine) throws {
        let sample = DeflateSamples.json(700, seed: 1)
        for level in [1, 2, 3] {
            var deflater = Deflater(engine: engine, level: level, windowBits: 12, memoryLevel: 5)
            let first = try deflater.shrink(sample)
            let second = try deflater.shrink(sample, after: sample)
            #expect(second.count < first.count / 4)
            for seed in 0..<20 as Range<UInt64> {
                let other = DeflateSamples.json(Int(seed) * 4_000, seed: seed)
                _ = deflater.compress(DeflateSamples.noise(5_000, seed: seed), after: other)
                #expect(deflater.compress(sample) == first)
                _ = deflater.compress(other, after: DeflateSamples.noise(50, seed: seed))
                #expect(deflater.compress(sample, after: sample) == second)
            }
        }
    }

    @Test("Without enough room, nothing is written beyond it, and no state remains")
    func littleRoom() throws {
        let history = DeflateSamples.json(40_000, seed: 9)
        let sample = DeflateSamples.json(90_000, seed: 4)
        for engine in DeflateEngine.available {
            for level in [1, 2, 3] {
                var deflater = Deflater(
                    engine: engine, level: level, windowBits: 15, memoryLevel: 5)
                let whole = try deflater.shrink(sample, after: history)
                for room in [0, 1, 3, 8, 100, 5_000, whole.count - 1, whole.count, 60_000] {
                    var output = [UInt8](repeating: 0xA5, count: room + 64)
                    let count = sample.withUnsafeBytes { sample in
                        history.withUnsafeBytes { history in
                            output.withUnsafeMutableBytes { output in
                                deflater.compress(
                                    sample, after: history, into: .init(rebasing: output[..<room]))
                            }
                        }
                    }
                    #expect(output[room...].allSatisfy { $0 == 0xA5 })
                    #expect((count == nil) == (room < 60_000))
                    if let count { #expect(Array(output[..<count]) == whole) }
                    #expect(deflater.compress(sample, after: history) == whole)
                }
            }
        }
    }
}
