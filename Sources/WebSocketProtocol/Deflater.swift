/// Compresses messages for permessage-deflate, one at a time (RFC 7692 §7.2.1).
///
/// Owns its stream; `deinit` frees it. Nothing of a message is left in it, so that a loop needs
/// one for all its connections: a context comes with each call, see ``DeflateHistory``. Never
/// writes a final block, which breaks clients.
package struct Deflater: ~Copyable {
    private let stream: DeflateStream
    private let windowSize: Int

    /// - Parameters:
    ///   - level: 1…9. ISA-L has 1…3 and takes what is above as 3; see ``DeflateEngine``.
    ///   - windowBits: 9…15: no distance is longer than 2 to the power of that. Raw *deflate*
    ///     can't do 8, so a peer that demands 8 gets no compression.
    ///   - memoryLevel: 1…9; for zlib alone.
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

    /// The bytes of room that ``compress(_:after:into:)`` needs for a message of `count` bytes to
    /// say no only because it does not shrink: the message's size, the tail's four bytes, which
    /// are written before they are left off, and what shows that nothing is held back.
    package static func room(for count: Int) -> Int { count + 16 }

    /// Compresses a whole message to the front of `output` and returns the count of its bytes
    /// there, without the sync flush's tail 00 00 FF FF; more may have been written.
    ///
    /// `nil` when the result would not be smaller than the message, or `output` is too small: send
    /// it plain. An empty message is one zero byte (§7.2.3.6), though that does not shrink.
    ///
    /// - Parameter history: what the message may refer to, for context takeover: the peer's window
    ///   must end with these bytes. Its last 2 to the power of the window bits are used; none by
    ///   default. The caller adds the message to it once it is sent compressed, and only then.
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
        // Both libraries count in 32 bits.
        guard input.count <= Int(Int32.max) else { return nil }
        let room = unsafe UnsafeMutableRawBufferPointer(
            rebasing: output.prefix(Self.room(for: input.count)))
        let window = unsafe UnsafeRawBufferPointer(rebasing: history.suffix(windowSize))
        let written = unsafe stream.compress(input, after: window, into: room)
        guard let written, written - Self.tailSize < input.count else { return nil }
        assert(unsafe room[written - 4..<written].elementsEqual([0, 0, 0xFF, 0xFF]))
        return written - Self.tailSize
    }

    /// The bytes of memory that it holds, for `compression.memory.max`; to a few hundred bytes.
    package var memorySize: Int { stream.memorySize }

    static let tailSize = 4
}

/// A library's stream that deflates.
///
/// A class, and so are those that inflate: of a noncopyable enum or structure within a `package`
/// structure, Swift 6.3.1 makes a module that uses it fail LLVM's verification when optimised.
class DeflateStream {
    let memorySize: Int

    init(memorySize: Int) { self.memorySize = memorySize }

    /// The bytes written for all of `input`, tail included; `nil` when they don't fit. Whatever
    /// it did before, it starts anew, with a window of `history`.
    func compress(
        _ input: UnsafeRawBufferPointer, after history: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) -> Int? { preconditionFailure("overridden") }
}
