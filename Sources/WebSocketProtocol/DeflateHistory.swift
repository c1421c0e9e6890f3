/// The context of one direction of a connection, for context takeover (RFC 7692 §7.1.1): the last
/// bytes of the plaintext of its compressed messages.
///
/// Nothing else is needed. Deflate refers to earlier bytes, and every message ends at a byte
/// boundary with a flush. So a stream that all connections share, primed with these bytes, produces
/// and reads the same as a stream that is kept for one direction.
///
/// It owns its memory. It grows by doubling, up to an eighth more than the window, so that not
/// every message moves the whole window (`Benchmarks/engines.md`).
@safe
package struct DeflateHistory: ~Copyable {
    private let capacity: Int
    private let memorySizeMax: Int
    private var base: UnsafeMutableRawPointer?
    private var count = 0
    /// The size of its memory in bytes, for `compression.memory.max`.
    package private(set) var memorySize = 0

    private static let memorySizeMin = 1_024

    /// Creates an empty history.
    ///
    /// - Parameter windowBits: The window as a power of two, 8…15: the negotiated one of this
    ///   direction, or less if this side compresses.
    package init(windowBits: Int) {
        precondition(8...15 ~= windowBits)
        capacity = 1 << windowBits
        memorySizeMax = Self.memorySizeMax(windowBits: windowBits)
    }

    deinit { unsafe base?.deallocate() }

    /// Returns the maximum of ``memorySize``.
    package static func memorySizeMax(windowBits: Int) -> Int {
        (1 << windowBits) + (1 << windowBits) / 8
    }

    /// The last bytes, at most a window of them; valid until the next change.
    package var bytes: UnsafeRawBufferPointer {
        let size = min(count, capacity)
        // Safety: the memory holds `count` bytes, and these are the last of them.
        return unsafe UnsafeRawBufferPointer(
            start: base.map { unsafe UnsafeRawPointer($0 + (count - size)) }, count: size)
    }

    /// Adds a message that was sent or received compressed; never one that was uncompressed.
    ///
    /// - Parameter plain: Its plaintext, which must not lie in ``bytes``.
    package mutating func append(_ plain: UnsafeRawBufferPointer) {
        let added = min(plain.count, capacity)
        if added == 0 { return }
        if count + added > memorySize { makeRoom(for: added) }
        // Safety: there is room for these bytes after those that are kept.
        unsafe (base! + count).copyMemory(
            from: plain.baseAddress! + (plain.count - added), byteCount: added)
        count += added
    }

    /// Makes room for `added` bytes: grows up to the limit, and drops what no longer fits into the
    /// window.
    private mutating func makeRoom(for added: Int) {
        let kept = min(count, capacity - added)
        let start = count - kept
        count = kept
        guard memorySize < memorySizeMax else {
            // Safety: both ranges are within the memory, and `copyMemory` allows overlap.
            unsafe base!.copyMemory(from: base! + start, byteCount: kept)
            return
        }
        var size = max(2 * memorySize, Self.memorySizeMin)
        while size < kept + added { size *= 2 }
        size = min(size, memorySizeMax)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 1)
        if let base = unsafe base {
            // Safety: `kept` is at most the old count, and less than the new size.
            unsafe memory.copyMemory(from: base + start, byteCount: kept)
            unsafe base.deallocate()
        }
        unsafe base = unsafe memory
        memorySize = size
    }

    /// Removes everything and frees the memory.
    package mutating func reset() {
        unsafe base?.deallocate()
        unsafe base = nil
        count = 0
        memorySize = 0
    }
}
