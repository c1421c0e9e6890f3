import WebSocketProtocol

/// Checks a decompressor against plain zlib, with raw bytes or the output of a script.
enum InflateTarget {
    private static let historySizes = [
        0, 1, 3, 255, 256, 257, 512, 1_000, 4_095, 4_096, 8_000, 32_767, 32_768, 40_000,
    ]
    private static let limits = [
        0, 1, 63, 64, 65, 258, 1_000, 1_024, 5_000, 20_000, 40_000, 70_000,
    ]

    static func test(_ input: FuzzInput) {
        var input = input
        let mode = input.choice()
        let windowBits = 8 + Int(mode & 7)
        let history = Wire.pattern(
            historySizes[Int(input.choice()) % historySizes.count])
        let limit = limits[Int(input.choice()) % limits.count]
        let window = Array(history.suffix(1 << windowBits))
        var message = input.rest
        if mode & 8 != 0 {
            var choices = FuzzChoices(input)
            message = DeflateScript.message(after: window.count, using: &choices)
        }
        // ISA-L only gets larger messages.
        if mode & 16 != 0 { message = [0, 0x90, 1, 0x6F, 0xFE] + Wire.pattern(400) + message }

        let exact = PlainZlib.oneShot(message, after: window, limit: limit)
        // Plain zlib is slow.
        if limit <= 1_024 {
            let twin = InflateTwin.inflate(message, after: window, limit: limit)
            if !agree(twin, exact) { fail("twin \(twin), zlib \(exact)") }
        }
        let other = message.prefix(message.count / 2)
        for engine in DeflateEngine.available {
            var inflater = Inflater(engine: engine, windowBits: windowBits)
            // It must leave no state.
            _ = inflate(other, after: history.dropFirst(3), limit: 999, room: 0, by: &inflater)
            let run = inflate(
                message, after: history, limit: limit, room: min(limit, Int(mode)), by: &inflater)
            if run.capacity > limit { fail("\(run.capacity) for \(limit)") }
            if run.agrees(with: exact) { continue }
            let strict = InflateTwin.inflate(message, after: window, limit: limit)
            let lenient = InflateTwin.inflate(
                message, after: window, limit: limit, acceptsIncompleteCodes: true)
            if engine == .zlib || strict != .incomplete || !run.agrees(with: lenient) {
                fail("\(engine) \(run.outcome), zlib \(exact)")
            }
        }
    }

    private static func agree(_ twin: InflateTwin.Verdict, _ exact: PlainZlib.Verdict) -> Bool {
        switch (twin, exact) {
        case (.done(let bytes), .bytes(let exact)): bytes == exact
        case (.tooBig, .tooBig), (.corrupt, .refused), (.incomplete, .refused): true
        default: false
        }
    }

    /// In memory that ends at the end of a page: input, history and output.
    private static func inflate(
        _ message: some Collection<UInt8>, after history: some Collection<UInt8>, limit: Int,
        room: Int, by inflater: inout Inflater
    ) -> InflateRun {
        let message = GuardedMemory(message)
        let history = GuardedMemory(history)
        var memory = GuardedMemory(room)
        var buffer = AssemblyBuffer()
        (buffer.base, buffer.capacity) = (memory.bytes.baseAddress, room)
        let outcome = withExtendedLifetime((message, history)) {
            inflater.decompress(
                message.readOnly, after: history.readOnly, limit: limit, into: &buffer
            ) { buffer, capacity in
                let larger = GuardedMemory(capacity)
                larger.bytes.copyMemory(from: .init(start: buffer.base, count: buffer.count))
                memory = larger
                (buffer.base, buffer.capacity) = (larger.bytes.baseAddress, capacity)
                return true
            }
        }
        let bytes = withExtendedLifetime(memory) {
            Array(UnsafeRawBufferPointer(start: buffer.base, count: buffer.count))
        }
        return InflateRun(outcome: outcome, bytes: bytes, capacity: buffer.capacity)
    }
}

extension InflateRun {
    /// Returns whether it equals zlib's outcome for an input.
    fileprivate func agrees(with verdict: PlainZlib.Verdict) -> Bool {
        switch verdict {
        case .bytes(let bytes): result == bytes
        case .tooBig: outcome == .tooBig
        case .refused: outcome == .corrupt
        }
    }
}
