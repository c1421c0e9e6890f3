/// A compressor of messages for permessage-deflate (RFC 7692 §7.2.1).
///
/// It owns its stream and keeps nothing of a message, so one serves all connections of an event
/// loop: the context is a parameter of each call (see ``DeflateHistory``). It never writes a final
/// block, because some clients fail on those.
package struct Deflater: ~Copyable {
    private let stream: DeflateStream
    private let windowSize: Int

    /// Creates a compressor.
    ///
    /// - Parameters:
    ///   - level: 1…9. ISA-L has levels 1…3 and uses 3 for higher ones; see ``DeflateEngine``.
    ///   - windowBits: 9…15: the window as a power of two. zlib can't compress with 8, so a peer
    ///     that demands 8 gets no compression.
    ///   - memoryLevel: 1…9, for zlib only.
    package init(engine: DeflateEngine, level: Int, windowBits: Int, memoryLevel: Int) {
        precondition(1...9 ~= level && 9...15 ~= windowBits && 1...9 ~= memoryLevel)
        windowSize = 1 << windowBits
        switch engine {
        case .zlib:
            stream = ZlibDeflater(level: level, windowBits: windowBits, memoryLevel: memoryLevel)
        #if ISAL
            case .isal: stream = ISALDeflater(level: min(level, 3), windowBits: windowBits)
        #endif
        }
    }

    /// Returns the size of an output with which ``compress(_:after:into:)`` returns `nil` only for
    /// messages that don't shrink: the size of the message, four bytes for the tail, which is
    /// written and then removed, and a reserve by which the end of the output is recognised.
    package static func room(for count: Int) -> Int { count + 16 }

    /// Compresses a whole message to the start of `output`.
    ///
    /// An empty message becomes one zero byte (§7.2.3.6), although that isn't smaller.
    ///
    /// - Parameter history: The earlier bytes that the message may refer to, for context takeover.
    ///   The peer's window must end with these bytes. At most a window of them is used; default
    ///   none. The caller adds the message to it if and only if it is sent compressed.
    /// - Returns: The number of bytes, without the tail 00 00 FF FF of the sync flush. More bytes
    ///   may have been written. `nil` if the result isn't smaller than the message, or `output` is
    ///   too small: send the message uncompressed.
    package mutating func compress(
        _ input: UnsafeRawBufferPointer,
        after history: UnsafeRawBufferPointer = unsafe .init(start: nil, count: 0),
        into output: UnsafeMutableRawBufferPointer
    ) -> Int? {
        if unsafe input.isEmpty {
            if unsafe output.isEmpty { return nil }
            unsafe output[0] = 0
            return 1
        }
        // Both libraries use 32-bit counts.
        guard input.count <= Int(Int32.max) else { return nil }
        let room = unsafe UnsafeMutableRawBufferPointer(
            rebasing: output.prefix(Self.room(for: input.count)))
        let window = unsafe UnsafeRawBufferPointer(rebasing: history.suffix(windowSize))
        let written = unsafe stream.compress(input, after: window, into: room)
        guard let written, written - Self.tailSize < input.count else { return nil }
        assert(unsafe room[written - 4..<written].elementsEqual([0, 0, 0xFF, 0xFF]))
        return written - Self.tailSize
    }

    /// The size of its memory in bytes, to within a few hundred, for `compression.memory.max`.
    package var memorySize: Int { stream.memorySize }

    static let tailSize = 4
}

/// The compressing stream of a library.
// Workaround: a class, as are the decompressing streams. With a noncopyable enum or struct within a
// `package` struct, Swift 6.3.1 generates code that fails LLVM's verification when optimised.
class DeflateStream {
    let memorySize: Int

    init(memorySize: Int) { self.memorySize = memorySize }

    /// Compresses all of `input` with a new stream whose window is `history`. Returns the number of
    /// bytes, including the tail, or `nil` if they don't fit.
    func compress(
        _ input: UnsafeRawBufferPointer, after history: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) -> Int? { preconditionFailure("overridden") }
}
