/// The context of one direction of one connection, for context takeover (RFC 7692 §7.1.1): the
/// last bytes of the plaintext of its compressed messages.
///
/// That is all a context is. Deflate refers to bytes, wherever they came from, and each message
/// ends on a byte's boundary with the flush; so a stream that serves everyone, primed with these
/// bytes, does the work of one that was kept for this direction alone.
///
/// Owns its memory; `deinit` frees it. It grows with what comes, by doubling, to the window and an
/// eighth more, so that not every message moves the whole window: in a full one of 32 KiB, 131 B
/// are added in 0.03 µs and 1 KiB in 0.10; without the eighth it is 0.39 for either, and twice the
/// window saves nothing more (0.03 and 0.05). Measured as ``DeflateEngine``'s table was.
@safe
package struct DeflateHistory: ~Copyable {
    private let capacity: Int
    private let memorySizeMax: Int
    private var base: UnsafeMutableRawPointer?
    private var count = 0
    /// The bytes of memory that it holds, for `compression.memory.max`.
    package private(set) var memorySize = 0

    private static let memorySizeMin = 1_024

    /// - Parameter windowBits: 8…15: it holds 2 to the power of that. What was agreed for its
    ///   direction, or less where it is ours to deflate.
    package init(windowBits: Int) {
        precondition(8...15 ~= windowBits)
        capacity = 1 << windowBits
        memorySizeMax = Self.memorySizeMax(windowBits: windowBits)
    }

    deinit { unsafe base?.deallocate() }

    /// The most that ``memorySize`` comes to.
    package static func memorySizeMax(windowBits: Int) -> Int {
        (1 << windowBits) + (1 << windowBits) / 8
    }

    /// The last bytes, as many as the window holds; valid until it is next changed.
    package var bytes: UnsafeRawBufferPointer {
        let size = min(count, capacity)
        // Safety: the memory holds `count` bytes, of which these are the last.
        return unsafe UnsafeRawBufferPointer(
            start: base.map { unsafe UnsafeRawPointer($0 + (count - size)) }, count: size)
    }

    /// Adds a message that was really sent compressed, or came so; never one that went plain.
    ///
    /// - Parameter plain: its plaintext, elsewhere than in ``bytes``.
    package mutating func append(_ plain: UnsafeRawBufferPointer) {
        let added = min(plain.count, capacity)
        if added == 0 { return }
        if count + added > memorySize { makeRoom(for: added) }
        // Safety: there is room for so many bytes behind those that are kept.
        unsafe (base! + count).copyMemory(
            from: plain.baseAddress! + (plain.count - added), byteCount: added)
        count += added
    }

    /// Drops what is beyond the window with `added` bytes more, and grows while it may.
    private mutating func makeRoom(for added: Int) {
        let kept = min(count, capacity - added)
        let start = count - kept
        count = kept
        guard memorySize < memorySizeMax else {
            // Safety: within the memory, and `copyMemory` takes what overlaps.
            unsafe base!.copyMemory(from: base! + start, byteCount: kept)
            return
        }
        var size = max(2 * memorySize, Self.memorySizeMin)
        while size < kept + added { size *= 2 }
        size = min(size, memorySizeMax)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 1)
        if let base = unsafe base {
            // Safety: `kept` is at most what was there, and less than the new size.
            unsafe memory.copyMemory(from: base + start, byteCount: kept)
            unsafe base.deallocate()
        }
        unsafe base = unsafe memory
        memorySize = size
    }

    /// Forgets everything and gives the memory back.
    package mutating func reset() {
        unsafe base?.deallocate()
        unsafe base = nil
        count = 0
        memorySize = 0
    }
}
