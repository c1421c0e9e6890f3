/// Decompresses messages of permessage-deflate, one at a time (RFC 7692 §7.2.2).
///
/// Owns its streams; `deinit` frees them. Not bound to a connection unless its context is kept.
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

    /// Compressed bytes from which on ISA-L inflates, where no context is kept.
    ///
    /// Measured as ``DeflateEngine``'s table was, on what zlib's level 1 made: µs a message.
    ///
    ///     plain    compressed   zlib   ISA-L
    ///     160 B       141 B      1.4     3.0
    ///     512 B       314 B      2.4     3.3
    ///     768 B       421 B      4.3     4.5
    ///     1 KiB       527 B      4.5     4.1
    ///     2 KiB       913 B      7.9     5.6
    ///     4 KiB     1,652 B     13.1     7.4
    ///     16 KiB    6,056 B     48.0    23.5
    ///     64 KiB   23,532 B      180    86.5
    ///
    /// Its stateless call is no faster, and can't go on when the output is full.
    static let isalInputSizeMin = 512

    private let zlib: ZlibInflater
    #if ISAL
        private let usesISAL: Bool
        /// Made when first needed: it is 90 KiB.
        private var isal: ISALInflater?
    #endif
    private var hasContext = false
    private var needsReset = false

    /// - Parameters:
    ///   - engine: zlib for its own judgement of every byte; ISA-L to use that for larger messages
    ///     without context. ISA-L also takes blocks whose Huffman codes are incomplete, which zlib
    ///     calls corrupt; all else that it does not take is put to zlib, whose word is the last.
    ///   - windowBits: 8…15, as agreed for the peer's direction; 15 fits all.
    package init(engine: DeflateEngine, windowBits: Int) {
        precondition(8...15 ~= windowBits)
        zlib = ZlibInflater(windowBits: windowBits)
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
    ///   - limit: Bytes of the decompressed message at most.
    ///   - keepContext: whether the next message may refer to this one and to those before
    ///     (context takeover). Anything but `.done` forgets the context.
    ///   - grow: makes the buffer hold that many bytes at least, keeping its contents; false when
    ///     it may not grow.
    package mutating func decompress(
        _ input: UnsafeRawBufferPointer, limit: Int, into output: inout AssemblyBuffer,
        keepContext: Bool, grow: (_ output: inout AssemblyBuffer, _ capacity: Int) -> Bool
    ) -> Outcome {
        assert(unsafe output.count == 0)
        if unsafe input.isEmpty {
            if !keepContext { reset() }
            return .done(0)
        }
        #if ISAL
            if usesISAL, !keepContext, !hasContext, input.count >= Self.isalInputSizeMin {
                let outcome = unsafe decompressByISAL(input, limit: limit, &output, grow)
                if outcome != .corrupt { return outcome }
                // A final block, or a fault: zlib has the last word.
                unsafe output.count = 0
            }
        #endif
        if needsReset { zlib.reset() }
        let outcome = unsafe InflateLoop.run(
            zlib, input, limit: limit, keepContext: keepContext, output: &output, grow: grow)
        if case .done = outcome, keepContext {
            hasContext = true
            needsReset = false
        } else {
            reset()
        }
        return outcome
    }

    #if ISAL
        private mutating func decompressByISAL(
            _ input: UnsafeRawBufferPointer, limit: Int, _ output: inout AssemblyBuffer,
            _ grow: (inout AssemblyBuffer, Int) -> Bool
        ) -> Outcome {
            let stream = isal ?? ISALInflater()
            isal = stream
            stream.reset()
            return unsafe InflateLoop.run(
                stream, input, limit: limit, keepContext: false, output: &output, grow: grow)
        }
    #endif

    /// Forgets the context. Done when it is next used, so that giving one back costs nothing.
    package mutating func reset() {
        hasContext = false
        needsReset = true
    }

    /// The bytes of memory that it holds, for `compression.memory.max`; to a few hundred bytes.
    package var memorySize: Int {
        #if ISAL
            if isal != nil { return zlib.memorySize + ISALInflater.memorySize }
        #endif
        return zlib.memorySize
    }
}
