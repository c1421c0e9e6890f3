import Testing
import WebSocketProtocol

/// The twin, a simple second implementation, against zlib; then both engines against the twin.
@Suite("Deflate: the twin")
struct DeflateTwinTests {
    /// The error of zlib for a code that leaves space unused, and for one with too many codes.
    private static let codeFaults: Set<String> = [
        "invalid code lengths set", "invalid literal/lengths set", "invalid distances set",
    ]

    @Test("The twin reads the output of plain zlib", arguments: 0...9)
    func whole(level: Int) {
        let samples = [1, 20, 300, 5_000].map { DeflateSamples.json($0, seed: UInt64($0)) }
        let sent = PlainZlib.deflate(samples, level: level, keepContext: true)
        var history: [UInt8] = []
        for (message, sample) in zip(sent, samples) {
            #expect(
                InflateTwin.inflate(message, after: history, limit: 5_000) == .done(sample))
            #expect(
                InflateTwin.inflate(message, after: history, limit: sample.count - 1) == .tooBig)
            history += sample
        }
    }

    @Test(
        "The twin's verdict is zlib's, whatever the bytes", arguments: 0..<4 as Range<UInt64>)
    func verdicts(seed: UInt64) {
        var inputs = DeflateInputs(seed: seed)
        var counts = [Int](repeating: 0, count: 4)
        for round in 0..<1_000 {
            let input = inputs.next()
            let exact = PlainZlib.oneShot(input.message, after: input.history, limit: input.limit)
            let twin = InflateTwin.inflate(
                input.message, after: input.history, limit: input.limit)
            let isEqual =
                switch (twin, exact) {
                case (.done(let bytes), .bytes(let exact)): bytes == exact
                case (.tooBig, .tooBig), (.corrupt, .refused): true
                case (.incomplete, .refused(let reason)): Self.codeFaults.contains(reason)
                default: false
                }
            if !isEqual { Issue.record("seed \(seed), round \(round): \(twin), \(exact)") }
            switch twin {
            case .done: counts[0] += 1
            case .tooBig: counts[1] += 1
            case .corrupt: counts[2] += 1
            case .incomplete: counts[3] += 1
            }
        }
        #expect(counts.allSatisfy { $0 > 30 }, "\(counts)")
    }

    @Test(
        "The outcome of zlib is the twin's; that of ISA-L, too, except for incomplete codes",
        arguments: 8..<14 as Range<UInt64>)
    func outcomes(seed: UInt64) {
        var inputs = DeflateInputs(seed: seed)
        var strict = Inflater(engine: .zlib, windowBits: 15)
        var fast = Inflater(engine: DeflateEngine.available.last!, windowBits: 15)
        var laxities = 0
        for round in 0..<1_000 {
            let input = inputs.next()
            let twin = InflateTwin.inflate(
                input.message, after: input.history, limit: input.limit)
            let exact = strict.run(input)
            if !exact.agrees(with: twin) {
                Issue.record("seed \(seed), round \(round): \(exact.outcome), \(twin)")
            }
            let run = fast.run(input)
            if run.agrees(with: twin) { continue }
            let lenient = InflateTwin.inflate(
                input.message, after: input.history, limit: input.limit,
                acceptsIncompleteCodes: true)
            if twin == .incomplete, run.agrees(with: lenient) {
                laxities += 1
            } else {
                Issue.record("seed \(seed), round \(round): \(run.outcome), \(twin)")
            }
        }
        #expect((laxities > 0) == (DeflateEngine.available.count > 1))
    }

    @Test("Incomplete codes: zlib refuses them, ISA-L decompresses them")
    func incompleteCodes() {
        var writer = BitWriter()
        // Long enough for ISA-L, and too short for the detection of missing output.
        while writer.bytes.count < 450 { writer.emptyDynamicBlock(isComplete: false) }
        writer.bits(0, 3)
        #expect(InflateTwin.inflate(writer.bytes, limit: 100) == .incomplete)
        #expect(
            InflateTwin.inflate(writer.bytes, limit: 100, acceptsIncompleteCodes: true)
                == .done([]))
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            let outcome = inflater.run(writer.bytes).outcome
            #expect(outcome == (engine == .zlib ? .corrupt : .done(0)))
        }
        // From 512 bytes on, the missing output is detected, and zlib decides.
        while writer.bytes.count < 512 { writer.emptyDynamicBlock(isComplete: false) }
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            #expect(inflater.run(writer.bytes).outcome == .corrupt)
        }
    }
}

extension Inflater {
    /// Starts with any room, so that the memory grows anywhere.
    mutating func run(_ input: DeflateInput) -> InflateRun {
        run(
            input.message, after: input.history, limit: input.limit,
            capacity: min(input.limit, input.message.count * 31 % 700))
    }
}
