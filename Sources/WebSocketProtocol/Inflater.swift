/// Decompresses messages of permessage-deflate, one at a time (RFC 7692 §7.2.2).
///
/// Owns its streams; `deinit` frees them. Nothing of a message is left in them, so that a loop
/// needs one for all its connections: a context comes with each call, see ``DeflateHistory``.
/// Final blocks are taken (§7.2.3.4, §7.2.3.5): what follows one goes on in the same window.
package struct Inflater: ~Copyable {
    /// What became of a message.
    package enum Outcome: Equatable, Sendable {
        /// All of it is in the output: so many bytes.
        case done(Int)
        /// There is a byte more than the limit: close with 1009.
        case tooBig
        /// It is no whole deflate data: close with 1007.
        case corrupt
        /// The output may not grow: the memory for all such messages is spent.
        case noMemory
        /// The slice is over: ``Inflater/takePaused(output:)`` is due.
        case paused
    }

    /// Compressed bytes from which on ISA-L inflates.
    ///
    /// Measured as ``DeflateEngine``'s table was, on what zlib's level 1 made: µs a message, and
    /// the compressed size, without a history and after 4 KiB of one; after 32 KiB it is the same
    /// but for half a microsecond on the smallest.
    ///
    ///     plain    compressed   zlib   ISA-L    compressed   zlib   ISA-L
    ///     131 B       121 B      1.2     2.8         39 B     0.2     0.4
    ///     512 B       314 B      2.1     3.2        199 B     2.1     2.3
    ///     768 B       425 B      3.4     3.5        291 B     3.0     2.6
    ///     1 KiB       528 B      4.2     3.8        383 B     4.0     2.9
    ///     2 KiB       914 B      7.6     5.4        749 B     7.4     3.8
    ///     4 KiB     1,654 B     13.1     7.5      1,460 B    13.2     5.8
    ///     16 KiB    5,978 B     39.7    18.6      5,743 B    41.2    16.6
    ///     64 KiB   22,956 B      133    61.1     22,516 B     132    58.6
    ///
    /// Its stateless call is no faster, and can't go on when the output is full.
    static let isalInputSizeMin = 400

    /// Each is made when first needed: they are 39 and 90 KiB. A message that is paused takes its own
    /// along.
    private var zlib: ZlibInflater?
    #if ISAL
        private let usesISAL: Bool
        private var isal: ISALInflater?
    #endif
    private let windowSize: Int
    /// The stream that the last call paused, and the bytes of input that it has read.
    private var pausedStream: (stream: any InflateStream, consumed: Int)?

    /// - Parameters:
    ///   - engine: zlib for its own judgement of every byte; ISA-L to use that for larger
    ///     messages. That differs in one thing: where a block's Huffman code leaves a part of its
    ///     space unused, zlib calls it corrupt (but for a single code of one bit), and ISA-L goes
    ///     on and reads what it says, until a code comes that is not there. All else that ISA-L
    ///     does not take is put to zlib, whose word is the last. The tests' twin knows both.
    ///   - windowBits: 8…15, as agreed for the peer's direction: how much of a history is used.
    ///     15 fits all. Within a message, a distance may be as long as deflate can say.
    package init(engine: DeflateEngine, windowBits: Int) {
        precondition(8...15 ~= windowBits)
        windowSize = 1 << windowBits
        #if ISAL
            usesISAL = engine == .isal
        #endif
    }

    /// Decompresses a whole message, given without its tail, into `output`, which must be empty
    /// and is written from its beginning; its count is the message's. An empty `input` is taken
    /// for an empty message, as some compressors flush those to nothing.
    ///
    /// Output is never written past `limit`, nor asked to hold more. Its memory begins with four
    /// times the input's size at most (1 KiB at least), and doubles when bytes are there that it
    /// can't hold. Whatever the outcome, the caller owns `output`.
    ///
    /// - Parameters:
    ///   - history: what the message may refer to, for context takeover; none by default. Its last
    ///     2 to the power of the window bits are used. After `.done`, the caller adds the output
    ///     to it; after anything else, the connection is over.
    ///   - limit: Bytes of the decompressed message at most.
    ///   - paused: The message's earlier slices, if it was paused; `output` is theirs then.
    ///   - isSliceOver: asked now and then: true pauses the message. Never by default.
    ///   - grow: makes the buffer hold that many bytes at least, keeping its contents; false when
    ///     it may not grow.
    package mutating func decompress(
        _ input: UnsafeRawBufferPointer,
        after history: UnsafeRawBufferPointer = unsafe .init(start: nil, count: 0),
        limit: Int, into output: inout AssemblyBuffer, resuming paused: Inflation? = nil,
        isSliceOver: () -> Bool = { false },
        grow: (_ output: inout AssemblyBuffer, _ capacity: Int) -> Bool
    ) -> Outcome {
        assert(unsafe paused != nil || output.count == 0)
        if unsafe input.isEmpty { return .done(0) }
        let window = unsafe UnsafeRawBufferPointer(rebasing: history.suffix(windowSize))
        var position = unsafe Position(
            rest: UnsafeRawBufferPointer(rebasing: input[(paused?.consumed ?? 0)...]),
            isStarted: paused != nil)
        #if ISAL
            if let stream = unsafe isalStream(for: input, resuming: paused) {
                let outcome = unsafe run(
                    stream, &position, input, window, limit, &output, isSliceOver, grow)
                if outcome != .paused { isal = stream }
                if outcome != .corrupt { return outcome }
                // A final block, or a fault: zlib has the last word.
                unsafe output.count = 0
                unsafe position = unsafe Position(rest: input, isStarted: false)
            }
        #endif
        let stream = paused?.stream as? ZlibInflater ?? zlib ?? ZlibInflater()
        let outcome = unsafe run(
            stream, &position, input, window, limit, &output, isSliceOver, grow)
        if outcome != .paused { zlib = stream }
        return outcome
    }

    /// Where a message's next slice begins.
    @unsafe
    private struct Position {
        var rest: UnsafeRawBufferPointer
        var isStarted: Bool
    }

    private mutating func run(
        _ stream: some InflateStream, _ position: inout Position,
        _ input: UnsafeRawBufferPointer, _ window: UnsafeRawBufferPointer, _ limit: Int,
        _ output: inout AssemblyBuffer, _ isSliceOver: () -> Bool,
        _ grow: (inout AssemblyBuffer, Int) -> Bool
    ) -> Outcome {
        if unsafe !position.isStarted { unsafe stream.start(after: window) }
        let outcome = unsafe InflateLoop.run(
            stream, &position.rest, limit: limit, output: &output, isSliceOver: isSliceOver,
            grow: grow)
        if outcome == .paused {
            pausedStream = (stream, unsafe input.count - position.rest.count)
        }
        return outcome
    }

    #if ISAL
        /// The stream of ISA-L for a message; `nil` for those that zlib inflates.
        private mutating func isalStream(
            for input: UnsafeRawBufferPointer, resuming paused: Inflation?
        ) -> ISALInflater? {
            if let paused { return paused.stream as? ISALInflater }
            guard usesISAL, input.count >= Self.isalInputSizeMin else { return nil }
            return isal ?? ISALInflater()
        }
    #endif

    /// What a message needs to go on after `.paused`. The stream is its own from here on; so is
    /// `output`, which is left empty.
    package mutating func takePaused(output: inout AssemblyBuffer) -> Inflation {
        guard let (stream, consumed) = pausedStream else { preconditionFailure("nothing paused") }
        pausedStream = nil
        if stream === zlib { zlib = nil }
        #if ISAL
            if stream === isal { isal = nil }
        #endif
        defer { unsafe output = unsafe AssemblyBuffer() }
        return unsafe Inflation(stream, consumed: consumed, output: output)
    }

    /// The bytes of memory that it holds, for `compression.memory.max`; to a few hundred bytes.
    package var memorySize: Int {
        var size = zlib?.memorySize ?? 0
        #if ISAL
            size += isal?.memorySize ?? 0
        #endif
        return size
    }
}
