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

    private let zlib = ZlibInflater()
    #if ISAL
        private let usesISAL: Bool
        /// Made when first needed: it is 90 KiB.
        private var isal: ISALInflater?
    #endif
    private let windowSize: Int

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
    ///   - grow: makes the buffer hold that many bytes at least, keeping its contents; false when
    ///     it may not grow.
    package mutating func decompress(
        _ input: UnsafeRawBufferPointer,
        after history: UnsafeRawBufferPointer = unsafe .init(start: nil, count: 0),
        limit: Int, into output: inout AssemblyBuffer,
        grow: (_ output: inout AssemblyBuffer, _ capacity: Int) -> Bool
    ) -> Outcome {
        assert(unsafe output.count == 0)
        if unsafe input.isEmpty { return .done(0) }
        let window = unsafe UnsafeRawBufferPointer(rebasing: history.suffix(windowSize))
        #if ISAL
            if usesISAL, input.count >= Self.isalInputSizeMin {
                let stream = isal ?? ISALInflater()
                isal = stream
                let outcome = unsafe InflateLoop.run(
                    stream, input, after: window, limit: limit, output: &output, grow: grow)
                if outcome != .corrupt { return outcome }
                // A final block, or a fault: zlib has the last word.
                unsafe output.count = 0
            }
        #endif
        return unsafe InflateLoop.run(
            zlib, input, after: window, limit: limit, output: &output, grow: grow)
    }

    /// The bytes of memory that it holds, for `compression.memory.max`; to a few hundred bytes.
    package var memorySize: Int {
        #if ISAL
            if isal != nil { return ZlibInflater.memorySize + ISALInflater.memorySize }
        #endif
        return ZlibInflater.memorySize
    }
}
