package import WebSocketProtocol

extension Deflater {
    /// Compresses into a buffer of exactly the requested room.
    package mutating func compress(_ message: [UInt8], after history: [UInt8] = []) -> [UInt8]? {
        history.withUnsafeBytes { compress(message, after: $0) }
    }

    /// Sends a message as a connection with takeover does: compressed messages enter the history.
    package mutating func send(_ message: [UInt8], _ history: inout DeflateHistory) -> [UInt8]? {
        guard let sent = compress(message, after: history.bytes) else { return nil }
        message.withUnsafeBytes { history.append($0) }
        return sent
    }

    private mutating func compress(
        _ message: [UInt8], after history: UnsafeRawBufferPointer
    ) -> [UInt8]? {
        var output = [UInt8](repeating: 0xA5, count: Self.room(for: message.count))
        let count = message.withUnsafeBytes { message in
            output.withUnsafeMutableBytes { output in
                compress(message, after: history, into: output)
            }
        }
        return count.map { Array(output[..<$0]) }
    }
}

/// The outcome of a message in an ``Inflater``, and the memory that it took.
package struct InflateRun {
    package var outcome: Inflater.Outcome
    package var bytes: [UInt8]
    package var capacity: Int
    /// The number of `grow` calls for more than twice the existing memory.
    package var leaps: Int

    package init(outcome: Inflater.Outcome, bytes: [UInt8], capacity: Int, leaps: Int = 0) {
        self.outcome = outcome
        self.bytes = bytes
        self.capacity = capacity
        self.leaps = leaps
    }

    package var result: [UInt8]? { outcome == .done(bytes.count) ? bytes : nil }
}

extension InflateRun {
    /// Returns whether it equals the twin's outcome for an input.
    package func agrees(with verdict: InflateTwin.Verdict) -> Bool {
        switch verdict {
        case .done(let bytes): result == bytes
        case .tooBig: outcome == .tooBig
        case .corrupt, .incomplete: outcome == .corrupt
        }
    }
}

extension Inflater {
    /// Decompresses into a buffer that has `capacity` bytes initially and `budget` bytes at most.
    package mutating func run(
        _ message: [UInt8], after history: [UInt8] = [], limit: Int = 8 << 20,
        capacity: Int = 0, budget: Int = .max
    ) -> InflateRun {
        history.withUnsafeBytes {
            run(message, after: $0, limit: limit, capacity: capacity, budget: budget)
        }
    }

    /// Receives a message as a connection with takeover does: complete messages enter the history.
    package mutating func receive(_ message: [UInt8], _ history: inout DeflateHistory) -> InflateRun
    {
        let run = run(message, after: history.bytes, limit: 8 << 20, capacity: 0, budget: .max)
        run.result?.withUnsafeBytes { history.append($0) }
        return run
    }

    private mutating func run(
        _ message: [UInt8], after history: UnsafeRawBufferPointer, limit: Int, capacity: Int,
        budget: Int
    ) -> InflateRun {
        var buffer = AssemblyBuffer()
        var leaps = 0
        func grow(_ buffer: inout AssemblyBuffer, _ capacity: Int) -> Bool {
            if capacity > budget { return false }
            if buffer.capacity > 0, capacity > max(2 * buffer.capacity, 4 * message.count) {
                leaps += 1
            }
            let memory = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 1)
            if let base = buffer.base {
                memory.copyMemory(from: base, byteCount: buffer.count)
                base.deallocate()
            }
            buffer.base = memory
            buffer.capacity = capacity
            return true
        }
        if capacity > 0 { _ = grow(&buffer, capacity) }
        defer { buffer.base?.deallocate() }
        let outcome = message.withUnsafeBytes { message in
            decompress(message, after: history, limit: limit, into: &buffer, grow: grow)
        }
        let bytes = Array(UnsafeRawBufferPointer(start: buffer.base, count: buffer.count))
        return InflateRun(
            outcome: outcome, bytes: bytes, capacity: buffer.capacity, leaps: leaps)
    }
}

/// Messages for the codec, by a seed.
package enum DeflateSamples {
    /// The output of Python's `zlib.compressobj(9, zlib.DEFLATED, -15)`for a finished stream of
    /// `b"Hello, Hello, World"`.
    package static let finished: [UInt8] = [
        0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0xD7, 0x51, 0xF0, 0x80, 0x50, 0xE1, 0xF9, 0x45, 0x39, 0x29,
        0x00,
    ]
    package static let finishedText = Array("Hello, Hello, World".utf8)

    private static let words = [
        "order", "book", "market", "spread", "latency", "the", "again", "chart", "volume",
    ]

    /// Returns JSON of exactly `count` bytes, like that of the load generator.
    package static func json(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        var text =
            #"{"type":"l2update","product_id":"BTC-USD","sequence":\#(random.next() % 9_999)"#
        while text.utf8.count < count {
            let price = Double(random.next() % 8_000_000) / 100
            text += #",["\#(Bool.random(using: &random) ? "buy" : "sell")","\#(price)"]"#
            if random.next() % 4 == 0 { text += words.randomElement(using: &random)! }
        }
        return Array(text.utf8.prefix(count))
    }

    package static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// Returns a text whose halves repeat each other, so that every distance up to its half helps.
    package static func far(_ distance: Int, seed: UInt64) -> [UInt8] {
        let half = noise(distance, seed: seed)
        return half + half
    }
}
