import Testing
import WebSocketProtocol

/// Whatever the bytes: zlib's own one-shot result, or a refusal.
@Suite("Deflate: mutations")
struct DeflateMutationTests {
    private static let limit = 1 << 16

    /// What zlib refuses and ISA-L takes: Huffman codes with a part of their space unused.
    private static let laxities: Set<String> = [
        "invalid code lengths set", "invalid literal/lengths set", "invalid distances set",
        "invalid code -- missing end-of-block",
    ]

    @Test("Mutated messages are read as zlib reads them", arguments: 0..<8 as Range<UInt64>)
    func mutated(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var seeds = [10, 200, 1_500, 3_000, 9_000].flatMap { count in
            [1, 6].map { level in
                PlainZlib.deflate([DeflateSamples.json(count, seed: seed)], level: level)[0]
            }
        }
        seeds += [
            DeflateExamplesTests.finished + seeds[6] + DeflateExamplesTests.finished,
            PlainZlib.deflate([DeflateSamples.noise(2_000, seed: seed)])[0],
        ]
        var strict = Inflater(engine: .zlib, windowBits: 15)
        var fast = Inflater(engine: DeflateEngine.available.last!, windowBits: 15)
        var accepted = 0
        for round in 0..<1_500 {
            let message = Self.mutate(seeds.randomElement(using: &random)!, &random)
            let verdict = PlainZlib.oneShot(message, limit: Self.limit)
            let exact = strict.run(message, limit: Self.limit)
            #expect(Self.agree(exact, verdict), "seed \(seed), round \(round): \(verdict)")
            let run = fast.run(message, limit: Self.limit)
            if case .refused(let reason) = verdict, Self.laxities.contains(reason) { continue }
            #expect(Self.agree(run, verdict), "seed \(seed), round \(round): \(verdict)")
            if run.result != nil { accepted += 1 }
        }
        #expect(accepted > 0)
    }

    private static func agree(_ run: InflateRun, _ verdict: PlainZlib.Verdict) -> Bool {
        guard run.capacity <= limit else { return false }
        switch verdict {
        case .bytes(let bytes): return run.result == bytes
        case .tooBig: return run.outcome == .tooBig
        // Its fault may come after more than the limit.
        case .refused: return run.outcome == .corrupt || run.outcome == .tooBig
        }
    }

    private static func mutate(_ message: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var message = message
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            guard !message.isEmpty else { break }
            // Headers matter most.
            let span = Bool.random(using: &random) ? min(message.count, 80) : message.count
            let place = Int.random(in: 0..<span, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: message[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: message[place] = .random(in: 0...255, using: &random)
            case 2: message.remove(at: place)
            case 3: message.insert(.random(in: 0...255, using: &random), at: place)
            case 4: message.removeSubrange(place...)
            default: message += message[place...].prefix(200)
            }
        }
        return message
    }

    @Test("Incomplete codes: zlib refuses them; ISA-L may take them, and nothing is lost by it")
    func incompleteCodes() {
        var writer = BitWriter()
        for _ in 0..<100 { writer.emptyDynamicBlock(isComplete: false) }
        writer.bits(0, 3)
        guard case .refused(let reason) = PlainZlib.oneShot(writer.bytes, limit: Self.limit) else {
            Issue.record("zlib takes them")
            return
        }
        #expect(Self.laxities.contains(reason))
        var strict = Inflater(engine: .zlib, windowBits: 15)
        #expect(strict.run(writer.bytes, limit: Self.limit).outcome == .corrupt)
        var fast = Inflater(engine: DeflateEngine.available.last!, windowBits: 15)
        let outcome = fast.run(writer.bytes, limit: Self.limit).outcome
        #expect(outcome == .corrupt || outcome == .done(0))
    }
}
