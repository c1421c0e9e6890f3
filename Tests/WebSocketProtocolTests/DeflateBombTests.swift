import Testing
import WebSocketProtocol

@Suite("Deflate: bombs")
struct DeflateBombTests {
    /// 64 MiB of one byte, in 64 KiB.
    static let bomb = PlainZlib.deflate(
        [[UInt8](repeating: 0x20, count: 64 << 20)], level: 9)[0]

    @Test(
        "A bomb ends at the limit, and so does its memory",
        arguments: [0, 1, 1_000, 65_536, 1 << 20, (1 << 20) + 1])
    func bomb(limit: Int) {
        #expect(Self.bomb.count < 66_000)
        for engine in DeflateEngine.available {
            for history in [0, 1, 40_000].map({ DeflateSamples.noise($0, seed: 1) }) {
                var inflater = Inflater(engine: engine, windowBits: 15)
                let run = inflater.run(Self.bomb, after: history, limit: limit)
                #expect(run.outcome == .tooBig)
                #expect(run.capacity <= limit)
                #expect(run.leaps == 0)
                // It leaves no state.
                let sample = DeflateSamples.json(5_000, seed: 1)
                #expect(inflater.run(PlainZlib.deflate([sample])[0]).result == sample)
            }
        }
    }

    @Test("A bomb in final blocks ends at the limit", arguments: DeflateEngine.available)
    func bombInFinalBlocks(_ engine: DeflateEngine) {
        let block = DeflateSamples.finished
        let message = Array(repeatElement(block, count: 4_000).joined())
        var inflater = Inflater(engine: engine, windowBits: 15)
        let run = inflater.run(message, limit: 50_000)
        #expect(run.outcome == .tooBig)
        #expect(run.capacity <= 50_000)
    }

    @Test("A message of exactly the limit is decompressed, one byte more isn't")
    func justTheLimit() {
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            for count in [1, 2, 255, 1_024, 1_025, 4_096, 40_000, 65_536, 100_000] {
                for sample in [
                    DeflateSamples.json(count, seed: 1), .init(repeating: 7, count: count),
                    DeflateSamples.noise(count, seed: 1),
                ] {
                    let message = PlainZlib.deflate([sample])[0]
                    let run = inflater.run(message, limit: count)
                    #expect(run.result == sample)
                    #expect(run.capacity <= count)
                    #expect(inflater.run(message, limit: count - 1).outcome == .tooBig)
                }
            }
        }
    }

    @Test("Output that must not grow is reported", arguments: DeflateEngine.available)
    func noMemory(_ engine: DeflateEngine) {
        var inflater = Inflater(engine: engine, windowBits: 15)
        let run = inflater.run(Self.bomb, limit: 32 << 20, budget: 1 << 20)
        #expect(run.outcome == .noMemory)
        #expect(run.capacity <= 1 << 20)
        #expect(inflater.run(Self.bomb, limit: 1 << 20, budget: 10).outcome == .noMemory)
        #expect(inflater.run([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]).outcome == .done(5))
    }

    @Test("Stored blocks of length zero take time by their number, and no memory")
    func emptyStoredBlocks() {
        let blocks = Array(
            repeatElement([0, 0, 0, 0xFF, 0xFF] as [UInt8], count: 200_000).joined())
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            let run = inflater.run(blocks + [0], limit: 1 << 16)
            #expect(run.outcome == .done(0))
            #expect(run.capacity <= 1 << 16)
            #expect(inflater.run(blocks, limit: 1 << 16).outcome == .corrupt)
        }
    }

    @Test("Endless dynamic headers take time by their number, and no memory")
    func dynamicHeaders() {
        var writer = BitWriter()
        for _ in 0..<20_000 { writer.emptyDynamicBlock() }
        let cut = writer.bytes
        writer.bits(0, 3)
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            let run = inflater.run(writer.bytes, limit: 1 << 16)
            #expect(run.outcome == .done(0))
            #expect(run.capacity <= 1 << 16)
            #expect(inflater.run(Array(cut.dropLast(7)), limit: 1 << 16).outcome == .corrupt)
        }
    }
}
