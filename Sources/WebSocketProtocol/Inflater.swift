/// A decompressor of messages of permessage-deflate (RFC 7692 §7.2.2).
///
/// It owns its streams and keeps nothing of a message, so one serves all connections of an event
/// loop: the context is a parameter of each call (see ``DeflateHistory``). Final blocks are
/// accepted (§7.2.3.4, §7.2.3.5); the bytes after one continue in the same window.
package struct Inflater: ~Copyable {
    /// The outcome of decompressing a message.
    package enum Outcome: Equatable, Sendable {
        /// The message is complete. It has this many bytes.
        case done(Int)
        /// The message is longer than the limit: close with 1009.
        case tooBig
        /// The data is corrupt or truncated: close with 1007.
        case corrupt
        /// The output can't grow, because the memory for all such messages is spent.
        case noMemory
        /// The slice is over: ``Inflater/takePaused(output:)`` must be called next.
        case paused
    }

    /// The compressed size from which on ISA-L is used, in bytes; see `Benchmarks/engines.md`.
    static let isalInputSizeMin = 400

    /// The streams, of 39 and 90 KiB, created when first needed. A paused message takes its stream
    /// along.
    private var zlib: ZlibInflater?
    #if ISAL
        private let usesISAL: Bool
        private var isal: ISALInflater?
    #endif
    private let windowSize: Int
    /// The stream that the last call has paused, and the number of bytes that it has read.
    private var pausedStream: (stream: any InflateStream, consumed: Int)?

    /// Creates a decompressor.
    ///
    /// - Parameters:
    ///   - engine: zlib for all messages, or ISA-L for larger ones. They differ in one respect:
    ///     zlib rejects a block with an incomplete Huffman code (except a single code of one bit),
    ///     and ISA-L accepts it unless an unassigned code occurs. Anything else that ISA-L rejects
    ///     is decompressed by zlib, which decides.
    ///   - windowBits: 8…15: the negotiated window of the peer's direction, which limits how much
    ///     of a history is used. 15 is always sufficient. Within a message, distances of any length
    ///     are accepted.
    package init(engine: DeflateEngine, windowBits: Int) {
        precondition(8...15 ~= windowBits)
        windowSize = 1 << windowBits
        #if ISAL
            usesISAL = engine == .isal
        #endif
    }

    /// Decompresses a whole message, given without its tail, into `output`, which must be empty.
    /// The count of `output` becomes that of the message. An empty `input` is an empty message,
    /// because some compressors send that.
    ///
    /// `output` never grows beyond `limit`. It starts with at most four times the size of the input
    /// (at least 1 KiB), and doubles when there are bytes that it can't hold. The caller owns
    /// `output`, whatever the outcome.
    ///
    /// - Parameters:
    ///   - history: The earlier bytes that the message may refer to, for context takeover. At most
    ///     a window of them is used; default none. After `.done`, the caller adds the output to it.
    ///     After any other outcome except `.paused`, the connection must end.
    ///   - limit: The largest size of the decompressed message, in bytes.
    ///   - paused: The state after the message's earlier slices, if it was paused. It has the
    ///     output so far, in place of `output`.
    ///   - isSliceOver: Called now and then. Returning true pauses the message. Default: never.
    ///   - grow: Makes the buffer hold at least this many bytes and keeps its contents. Returns
    ///     false if it can't grow.
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
                // At a final block or an error, zlib decides.
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

    /// The start of a message's next slice.
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
        /// Returns the stream of ISA-L for a message; `nil` if zlib decompresses it.
        private mutating func isalStream(
            for input: UnsafeRawBufferPointer, resuming paused: Inflation?
        ) -> ISALInflater? {
            if let paused { return paused.stream as? ISALInflater }
            guard usesISAL, input.count >= Self.isalInputSizeMin else { return nil }
            return isal ?? ISALInflater()
        }
    #endif

    /// Returns the state with which a message continues after `.paused`. It takes over the stream
    /// and `output`, which is left empty.
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

    /// The size of its memory in bytes, to within a few hundred, for `compression.memory.max`.
    package var memorySize: Int {
        var size = zlib?.memorySize ?? 0
        #if ISAL
            size += isal?.memorySize ?? 0
        #endif
        return size
    }
}
