import Testing
import WebSocketProtocol

@Suite("Deflate: examples of RFC 7692, section 7.2.3, and final blocks")
struct DeflateExamplesTests {
    static let hello = Array("Hello".utf8)

    @Test(
        "The payload of an example is read",
        arguments: [
            [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],  // 7.2.3.1
            [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],  // 7.2.3.3
            [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],  // 7.2.3.4
            [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
        ] as [[UInt8]])
    func payload(_ message: [UInt8]) {
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            for history in [0, 5, 40_000].map({ DeflateSamples.json($0, seed: 1) }) {
                #expect(inflater.run(message, after: history).result == Self.hello)
            }
        }
    }

    @Test("The second Hello refers to the first (7.2.3.2)")
    func sharedWindow() {
        var inflater = Inflater(engine: .zlib, windowBits: 15)
        let first: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
        let second: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
        #expect(inflater.run(first).result == Self.hello)
        #expect(inflater.run(second, after: Self.hello).result == Self.hello)
        #expect(inflater.run(second).outcome == .corrupt)
    }

    @Test("An empty message is a zero byte (7.2.3.6)", arguments: DeflateEngine.available)
    func empty(_ engine: DeflateEngine) {
        var deflater = Deflater(engine: engine, level: 1, windowBits: 12, memoryLevel: 5)
        #expect(deflater.compress([]) == [0])
        #expect(deflater.compress([], after: Self.hello) == [0])
        var inflater = Inflater(engine: engine, windowBits: 12)
        #expect(inflater.run([0], limit: 0).outcome == .done(0))
        #expect(inflater.run([], limit: 0).outcome == .done(0))
    }

    private static let finished = DeflateSamples.finished
    private static let finishedText = DeflateSamples.finishedText

    @Test("A final block may end a message, with or without the byte of an empty block after it")
    func finalBlock() {
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            for message in [Self.finished, Self.finished + [0]] {
                #expect(inflater.run(message).result == Self.finishedText)
                #expect(inflater.run(message, after: Self.hello).result == Self.finishedText)
            }
        }
    }

    @Test("Data after a final block continues in its window, in the same message and in the next")
    func windowPastFinalBlock() throws {
        // A copy of five bytes from a distance of five: the fixed-code block of 7.2.3.2 without its
        // literal.
        var writer = BitWriter()
        writer.bits(0b010, 3)  // not final, fixed codes
        writer.code(0b000_0011, 7)  // a length of 5 (symbol 259)
        writer.code(0b00100, 5)  // distances of 5 and 6
        writer.bits(0, 1)  // 5
        writer.code(0, 7)  // end of block
        writer.bits(0, 3)  // the flush's stored block
        let copy = writer.bytes
        let world = Array("World".utf8)
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            #expect(inflater.run(Self.finished + copy).result == Self.finishedText + world)
            var history = DeflateHistory(windowBits: 15)
            #expect(inflater.receive(Self.finished, &history).result == Self.finishedText)
            #expect(inflater.receive(copy, &history).result == world)
            #expect(inflater.run(copy).outcome == .corrupt)
        }
    }

    @Test("A history remains after a final block", arguments: DeflateEngine.available)
    func historyPastFinalBlock(_ engine: DeflateEngine) throws {
        let history = DeflateSamples.noise(1_000, seed: 1)
        var deflater = Deflater(engine: .zlib, level: 1, windowBits: 15, memoryLevel: 8)
        let window = history + Self.finishedText
        let rest = try deflater.shrink(history, after: window)
        var inflater = Inflater(engine: engine, windowBits: 15)
        #expect(
            inflater.run(Self.finished + rest, after: history).result
                == Self.finishedText + history)
    }

    @Test("Many final blocks form one message", arguments: DeflateEngine.available)
    func manyFinalBlocks(_ engine: DeflateEngine) {
        var inflater = Inflater(engine: engine, windowBits: 15)
        let message = Array(repeatElement(Self.finished, count: 500).joined()) + [0]
        let run = inflater.run(message)
        #expect(run.result == Array(repeatElement(Self.finishedText, count: 500).joined()))
        #expect(PlainZlib.oneShot(message, limit: 1 << 20) == .bytes(run.bytes))
    }

    @Test("Data that is truncated, or continues after its end, is corrupt")
    func cutShort() {
        let sample = DeflateSamples.json(4_000, seed: 1)
        let message = PlainZlib.deflate([sample])[0]
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: 15)
            for count in 1..<message.count {
                #expect(inflater.run(Array(message[..<count])).outcome == .corrupt)
            }
            #expect(inflater.run(message + [0x00]).outcome == .corrupt)
            #expect(inflater.run(message + [0xFF, 0xFF]).outcome == .corrupt)
            #expect(inflater.run(message + PlainZlib.tail).outcome == .corrupt)
            #expect(inflater.run(Self.finished + [0x07]).outcome == .corrupt)
            #expect(inflater.run(message).result == sample)
        }
    }
}
