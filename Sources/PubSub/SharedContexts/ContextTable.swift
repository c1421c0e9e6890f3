/// One loop's contexts and the publications in them, each listed once and none retained.
///
/// A context is found by the exact sequence of its publications; its hash only selects the bucket.
/// If two contexts were taken for one, one reader's messages would be silently wrong.
@safe
final class ContextTable {
    /// A context that may exist already.
    // Safety: it is used only during a call that retains the previous context.
    @safe
    struct Candidate {
        /// The parts kept of the previous context.
        let kept: UnsafeBufferPointer<ContextPart.Pointer>
        let added: ContextPart.Pointer
        let size: Int
        let hash: UInt64

        func equals(_ context: SharedContext) -> Bool {
            let parts = unsafe context.parts
            guard hash == context.hash, unsafe parts.count == kept.count + 1 else {
                return false
            }
            return unsafe context.last == added && parts.dropLast().elementsEqual(kept)
        }
    }

    /// The maximum number of publications in a context. It limits the memory of a context of tiny
    /// ones, and the time to make it (1 KiB). From 32 B each, a window of 12 bits is full before.
    private static let partsMax = 128
    private static let bucketsMin = 16

    let windowSize: Int
    private(set) var count = 0
    private var parts: [UInt64: ContextPart.Pointer] = unsafe [:]
    /// The first context of each bucket; the count is a power of two.
    private var buckets: [Unmanaged<SharedContext>?]

    init(windowSize: Int) {
        self.windowSize = windowSize
        unsafe buckets = unsafe Array(repeating: nil, count: Self.bucketsMin)
    }

    /// The bytes that the contexts and their publications take; visits each of them.
    var memorySize: Int {
        var size = unsafe parts.values.reduce(0) {
            unsafe $0 + MemoryLayout<ContextPart>.stride + $1.pointee.size
        }
        for index in unsafe buckets.indices {
            var next = unsafe buckets[index]?.takeUnretainedValue()
            while let context = next {
                size += unsafe context.parts.count * MemoryLayout<ContextPart.Pointer>.stride
                next = unsafe context.nextInBucket?.takeUnretainedValue()
            }
        }
        return size
    }

    // MARK: - Publications

    var partCount: Int { unsafe parts.count }

    /// Returns the part for a publication, with one more holder.
    func part(for publication: Publication) -> ContextPart.Pointer {
        if let part = unsafe parts[publication.id] {
            unsafe part.pointee.holders += 1
            return unsafe part
        }
        let part = unsafe ContextPart.make(publication, windowSize: windowSize)
        unsafe parts[publication.id] = unsafe part
        return unsafe part
    }

    func release(_ part: ContextPart.Pointer) {
        unsafe part.pointee.holders -= 1
        guard unsafe part.pointee.holders == 0 else { return }
        unsafe parts.removeValue(forKey: part.pointee.id)
        unsafe ContextPart.free(part)
    }

    // MARK: - Contexts

    /// Returns the context of a reader that had `context`, once `part` was sent to it compressed.
    func context(after context: SharedContext?, adding part: ContextPart.Pointer) -> SharedContext {
        let candidate = unsafe candidate(after: context, adding: part)
        var next = unsafe buckets[bucket(of: candidate.hash)]
        while let found = unsafe next?.takeUnretainedValue() {
            if candidate.equals(found) { return found }
            unsafe next = unsafe found.nextInBucket
        }
        let made = SharedContext(self, candidate)
        if unsafe count == buckets.count { grow() }
        insert(made)
        count += 1
        return made
    }

    /// Leaves out the oldest publications while the rest still fills the window.
    private func candidate(
        after context: SharedContext?, adding part: ContextPart.Pointer
    ) -> Candidate {
        var size = unsafe part.pointee.size
        var hash = unsafe ContextPart.hash(of: part)
        guard let context else {
            let none = unsafe UnsafeBufferPointer<ContextPart.Pointer>(start: nil, count: 0)
            return unsafe Candidate(kept: none, added: part, size: size, hash: hash)
        }
        size += context.size
        hash &+= context.hash
        let before = unsafe context.parts
        var dropped = 0
        while dropped < before.count {
            let oldest = unsafe before[dropped]
            let isFull = unsafe size - oldest.pointee.size >= windowSize
            guard isFull || before.count - dropped >= Self.partsMax else { break }
            size -= unsafe oldest.pointee.size
            hash &-= unsafe ContextPart.hash(of: oldest)
            dropped += 1
        }
        let kept = unsafe UnsafeBufferPointer(rebasing: before[dropped...])
        return unsafe Candidate(kept: kept, added: part, size: size, hash: hash)
    }

    /// Removes a context; called by its `deinit`.
    func remove(_ context: SharedContext) {
        let bucket = bucket(of: context.hash)
        let removed = unsafe Unmanaged.passUnretained(context)
        count -= 1
        if unsafe buckets[bucket]!.toOpaque() == removed.toOpaque() {
            unsafe buckets[bucket] = unsafe context.nextInBucket
            return
        }
        var previous = unsafe buckets[bucket]!.takeUnretainedValue()
        while let next = unsafe previous.nextInBucket {
            if unsafe next.toOpaque() == removed.toOpaque() {
                unsafe previous.nextInBucket = unsafe context.nextInBucket
                return
            }
            previous = unsafe next.takeUnretainedValue()
        }
        preconditionFailure("a context that is not in its table")
    }

    private func bucket(of hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash) & (unsafe buckets.count - 1)
    }

    private func insert(_ context: SharedContext) {
        let bucket = bucket(of: context.hash)
        unsafe context.nextInBucket = unsafe buckets[bucket]
        unsafe buckets[bucket] = unsafe Unmanaged.passUnretained(context)
    }

    private func grow() {
        let before = unsafe buckets
        unsafe buckets = unsafe Array(repeating: nil, count: 2 * before.count)
        for index in unsafe before.indices {
            var next = unsafe before[index]
            while let context = unsafe next?.takeUnretainedValue() {
                unsafe next = unsafe context.nextInBucket
                insert(context)
            }
        }
    }
}
