import Foundation
import Testing
import WebSocketProtocol

@Suite("A message that is decompressed in slices") struct InflateSlicesTests {
    /// Messages with output, without output, and with an error, by name.
    private static var messages: [(name: String, bytes: [UInt8])] {
        var empty = BitWriter()
        for _ in 0..<8_000 { empty.emptyDynamicBlock() }
        empty.bits(0, 3)
        let json = DeflateSamples.json(300_000, seed: 1)
        let text = Self.deflated(json)
        return [
            ("text", text), ("noise", Self.deflated(DeflateSamples.noise(200_000, seed: 2))),
            ("zeros", Self.deflated([UInt8](repeating: 0, count: 900_000))),
            ("nothing", empty.bytes), ("final blocks", DeflateSamples.finished),
            ("cut short", Array(text.dropLast(1_000))),
            ("corrupt", Array(text.prefix(40_000)) + [UInt8](repeating: 0xFF, count: 9_000)),
        ]
    }

    private static func deflated(_ plain: [UInt8]) -> [UInt8] {
        PlainZlib.deflate([plain])[0]
    }

    private struct Sliced {
        var outcome: Inflater.Outcome
        var bytes: [UInt8]
        var slices: Int
    }

    /// Decompresses with a pause wherever one is possible.
    private func inflateInSlices(
        _ message: [UInt8], by inflater: inout Inflater, limit: Int,
        between: (inout Inflater) -> Void
    ) -> Sliced {
        var buffer = AssemblyBuffer()
        var paused: Inflation?
        var slices = 0
        while true {
            slices += 1
            let outcome = message.withUnsafeBytes {
                inflater.decompress(
                    $0, limit: limit, into: &buffer, resuming: paused, isSliceOver: { true },
                    grow: { buffer, capacity in
                        buffer.base = realloc(buffer.base, capacity)
                        buffer.capacity = capacity
                        return true
                    })
            }
            guard outcome == .paused else {
                let bytes = Array(UnsafeRawBufferPointer(start: buffer.base, count: buffer.count))
                free(buffer.base)
                return Sliced(outcome: outcome, bytes: bytes, slices: slices)
            }
            let inflation = inflater.takePaused(output: &buffer)
            // What other messages do meanwhile must have no effect.
            between(&inflater)
            swap(&buffer, &inflation.output)
            paused = inflation
        }
    }

    @Test(
        "has the same outcome as in one step, whatever others decompress in between",
        arguments: DeflateEngine.available, [1 << 20, 100_000])
    func equalsWhole(engine: DeflateEngine, limit: Int) {
        let other = Self.deflated(DeflateSamples.json(3_000, seed: 9))
        for (name, message) in Self.messages {
            var whole = Inflater(engine: engine, windowBits: 15)
            let expected = whole.run(message, limit: limit)
            var inflater = Inflater(engine: engine, windowBits: 15)
            let sliced = inflateInSlices(message, by: &inflater, limit: limit) { inflater in
                #expect(inflater.run(other).bytes == DeflateSamples.json(3_000, seed: 9))
            }
            #expect(sliced.outcome == expected.outcome, "\(name)")
            if case .done = expected.outcome { #expect(sliced.bytes == expected.bytes, "\(name)") }
            // Its stream is reused.
            #expect(inflater.run(other).outcome == .done(3_000))
        }
    }

    @Test("has many slices if it has no output", arguments: DeflateEngine.available)
    func slicesOfNothing(engine: DeflateEngine) {
        let message = Self.messages.first { $0.name == "nothing" }!.bytes
        var inflater = Inflater(engine: engine, windowBits: 15)
        let sliced = inflateInSlices(message, by: &inflater, limit: 1 << 20) { _ in }
        #expect(sliced.outcome == .done(0))
        #expect(sliced.slices >= message.count / (16 << 10))
    }
}
