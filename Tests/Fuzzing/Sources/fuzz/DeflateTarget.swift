import WebSocketProtocol

/// Checks that plain zlib with the same window, and the library's decompressors, read a
/// compressor's messages with a shared context.
enum DeflateTarget {
    static func test(_ input: FuzzInput) {
        var input = input
        let engines = DeflateEngine.available
        let engine = engines[Int(input.choice()) % engines.count]
        let level = 1 + Int(input.choice()) % 9
        let windowBits = 9 + Int(input.choice()) % 7
        let memoryLevel = 1 + Int(input.choice()) % 9
        var choices = FuzzChoices(input)
        var deflater = Deflater(
            engine: engine, level: level, windowBits: windowBits, memoryLevel: memoryLevel)
        var history = DeflateHistory(windowBits: windowBits)
        var plain: [[UInt8]] = []
        var sent: [[UInt8]] = []
        for _ in 0..<16 where !choices.isEmpty {
            let message = message(after: plain.last ?? [], &choices)
            // Some messages have no context, and some get too little room.
            let isAlone = choices.number(in: 0...9) == 0
            let room = Deflater.room(for: message.count)
            let isShort = choices.number(in: 0...9) == 0
            let output = GuardedMemory(isShort ? choices.number(in: 0...room) : room)
            let input = GuardedMemory(message)
            let given = GuardedMemory(isAlone ? [] : Array(history.bytes))
            let count = withExtendedLifetime((input, given, output)) {
                deflater.compress(input.readOnly, after: given.readOnly, into: output.bytes)
            }
            // A plain message enters the context of neither side.
            guard let count else { continue }
            if count >= max(2, message.count) { fail("\(count) bytes for \(message.count)") }
            message.withUnsafeBytes { history.append($0) }
            plain.append(message)
            sent.append(withExtendedLifetime(output) { Array(output.bytes[..<count]) })
        }
        testReading(sent, plain, windowBits: windowBits)
    }

    private static func testReading(_ sent: [[UInt8]], _ plain: [[UInt8]], windowBits: Int) {
        // One byte at a time, so that the window limits the distances exactly.
        let step = plain.joined().count < 20_000 ? 1 : 64
        let read = PlainZlib.inflate(sent, windowBits: windowBits, step: step, keepContext: true)
        if read != plain { fail("zlib reads another") }
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: windowBits)
            var history = DeflateHistory(windowBits: windowBits)
            for (message, plain) in zip(sent, plain) {
                let run = inflater.receive(message, &history)
                if run.result != plain { fail("\(engine) says \(run.outcome)") }
            }
        }
    }

    /// Returns pieces of the input, of earlier data, of repetitions, and of data without
    /// repetitions.
    private static func message(after last: [UInt8], _ choices: inout FuzzChoices) -> [UInt8] {
        var message: [UInt8] = []
        for _ in 0..<choices.number(in: 0...5) {
            let sizes = [3, 20, 258, 600, 5_000, 40_000]
            let sizeMax = sizes[min(choices.number(in: 0...17) / 3, 5)]
            let count = choices.number(in: 0...sizeMax)
            switch choices.number(in: 0...5) {
            case 0: message += choices.take(min(count, 64))
            case 1: message += last.dropFirst(choices.number(in: 0...last.count)).prefix(count)
            case 2:
                let piece = choices.take(choices.number(in: 1...4))
                if !piece.isEmpty { message += (0..<count).map { piece[$0 % piece.count] } }
            case 3: message += DeflateSamples.json(count, seed: choices.next())
            case 4: message += DeflateSamples.noise(min(count, 5_000), seed: choices.next())
            default:
                message += message.dropFirst(choices.number(in: 0...message.count)).prefix(count)
            }
        }
        return message
    }
}
