/// A publication in the contexts of one loop: its id, and the end of its payload, which follows the
/// structure in memory and is at most as long as a window.
///
/// The end is a copy, so that an idle connection keeps a few KiB and not its longest message. There
/// is one part per id, so equal pointers mean equal publications. Holders are counted by hand: a
/// context has dozens of parts, and each publication makes a context for each group of readers, so
/// atomic counting would cost more than all other work.
struct ContextPart {
    typealias Pointer = UnsafeMutablePointer<ContextPart>

    let id: UInt64
    /// The number of bytes kept, from the payload's end.
    let size: Int
    var holders = 1
    /// The publication, by its number among those encoded, that `slot` belongs to.
    var epoch: UInt64 = 0
    /// The position in ``EncodingPlan/lasts`` of the readers whose last publication is this part.
    var slot = 0

    private init(id: UInt64, size: Int) {
        self.id = id
        self.size = size
    }

    /// Creates a part that has one holder.
    static func make(_ publication: Publication, windowSize: Int) -> Pointer {
        let size = min(publication.payloadCount, windowSize)
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: MemoryLayout<ContextPart>.stride + size,
            alignment: MemoryLayout<ContextPart>.alignment)
        let part = unsafe memory.baseAddress!.bindMemory(to: ContextPart.self, capacity: 1)
        unsafe part.initialize(to: ContextPart(id: publication.id, size: size))
        // Safety: there is room for `size` bytes after the structure.
        unsafe UnsafeMutableRawBufferPointer(
            rebasing: memory[MemoryLayout<ContextPart>.stride...]
        ).copyMemory(from: UnsafeRawBufferPointer(rebasing: publication.payload.suffix(size)))
        return unsafe part
    }

    static func free(_ part: Pointer) {
        unsafe UnsafeMutableRawPointer(part).deallocate()
    }

    /// Returns the end of the payload; valid while the part is held.
    static func bytes(of part: Pointer) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: UnsafeRawPointer(part + 1), count: part.pointee.size)
    }

    /// Returns the id's share of a context's hash, which is a sum: sums of the ids themselves would
    /// often be equal (the last steps of SplitMix64).
    static func hash(of part: Pointer) -> UInt64 {
        var z = unsafe part.pointee.id &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
