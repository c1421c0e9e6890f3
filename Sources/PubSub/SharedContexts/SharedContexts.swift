/// One loop's contexts: they give the ratio of context takeover at the price of compressing each
/// publication a few times for all of its readers.
///
/// ``encoder(for:level:standalone:)`` and ``encoder(for:level:counting:)`` begin the encoding of a
/// publication. It has no socket, clock or thread.
///
/// A reader costs no hashing and no allocation: 1–2 ns to count, and 23 for its frame with one
/// context among 1,000 readers, 34 with twenty. Nearly all of that are the retains and releases of
/// the frame and the context. Only the first reader of a context costs more, some 0.2 µs; if no two
/// have the same context, each of them is the first.
// Safety: the window is allocated and freed here alone; the part is held from when it is made until
// `finish`.
@safe
@usableFromInline
package final class SharedContexts {
    /// A closure that compresses a payload by raw deflate after `history`, the end of the peer's
    /// window. It refers back no further than `windowBits` allow, and flushes, without the tail, at
    /// a level of 1…9. It returns `nil` if the payload would not shrink. The result is valid until
    /// the next call.
    package typealias Deflate = (
        _ payload: UnsafeRawBufferPointer, _ history: UnsafeRawBufferPointer, _ windowBits: Int,
        _ level: Int
    ) -> UnsafeRawBufferPointer?

    /// The size below which payloads can't shrink: a block's three bits, a match (12) and the two
    /// ends (7 and 3) come to four bytes.
    static let payloadMin = 5
    /// A payload that doesn't shrink by itself and is at most this long begins a context
    /// nevertheless, as a stored block: six bytes more, once. Without it a topic of tiny events
    /// would never have a context: of JSON of 22, 48 and 64 B, no message in 300 shrinks by itself,
    /// and after others they are 0.42, 0.27 and 0.21 of their size. Longer payloads that don't
    /// shrink never do.
    private static let storedMax = 256

    private let deflate: Deflate
    let windowBits: Int
    private let table: ContextTable
    private let window: UnsafeMutableRawBufferPointer

    /// The part of the publication at hand that is read for each reader.
    @usableFromInline
    struct Current {
        /// The number of publications begun.
        @usableFromInline var epoch: UInt64 = 0
        /// The number of readers counted whose windows' contents are unknown.
        @usableFromInline var unknownReaders = 0
        /// The frame for readers whose windows' contents are unknown.
        @usableFromInline var unknownFrame: SharedFrame?
        /// The context that holds this publication alone.
        @usableFromInline var firstContext: SharedContext?
    }

    // Safety: no access contains another, so there are no checks for exclusive access.
    @exclusivity(unchecked) @usableFromInline var storedCurrent = Current()

    @inlinable @inline(__always)
    var current: Current {
        _read { yield unsafe storedCurrent }
        _modify { yield unsafe &storedCurrent }
    }

    // The other parts of the publication at hand.

    private var publication: Publication?
    private var level = 1
    private var part: ContextPart.Pointer?
    private var plan = EncodingPlan()
    /// The contexts of the readers counted, each once, in the plan's order.
    private var groups: [SharedContext] = []
    /// The encodings after the last publication alone, in the plan's order.
    private var lastFrames: [SharedFrame?] = []
    private(set) var standaloneFrame: SharedFrame?
    /// The standalone frames for windows smaller than the server's, by their window bits.
    private var narrowFrames: [Int: SharedFrame] = [:]
    private var plainFrame: SharedFrame?
    /// The frame that context takeover allows, for readers without a smaller one.
    private var takeoverFrame: SharedFrame?

    /// - Parameter windowBits: 9…15; a context fills 2 to the power of that. At most the distance
    ///   that `deflate` refers back, and no more than each peer's window holds.
    package init(windowBits: Int, deflate: @escaping Deflate) {
        precondition(9...15 ~= windowBits)
        unsafe self.deflate = unsafe deflate
        self.windowBits = windowBits
        table = ContextTable(windowSize: 1 << windowBits)
        unsafe window = .allocate(byteCount: 1 << windowBits, alignment: 16)
    }

    deinit {
        finish()
        unsafe window.deallocate()
    }

    /// The number of contexts that are referred to; 0 once every connection is gone.
    package var liveContexts: Int { table.count }

    /// The number of publications that they hold; 0 likewise.
    package var livePublications: Int { table.partCount }

    /// The bytes that both take.
    package var memorySize: Int { table.memorySize }

    // MARK: - One publication

    /// Begins to encode a publication for readers that don't share contexts.
    ///
    /// - Parameters:
    ///   - level: The compression level, 1…9.
    ///   - standalone: The publication's standalone frame, if it was made before.
    @inline(never)
    package func encoder(
        for publication: Publication, level: Int, standalone: SharedFrame? = nil
    ) -> PublicationEncoder {
        begin(publication, level)
        standaloneFrame = standalone
        return PublicationEncoder(self, publication, sharesContexts: false)
    }

    /// Begins to encode a publication for readers that share contexts: decides on the encodings by
    /// the number of readers with each context.
    ///
    /// - Parameters:
    ///   - level: The compression level, 1…9.
    ///   - count: Adds the context of each reader. Counting a reader that then is sent nothing, or
    ///     the reverse, costs bytes only.
    // Workaround: Swift 6.3 crashes where it inlines a function that makes a noncopyable encoder.
    @inline(never)
    package func encoder(
        for publication: Publication, level: Int, counting count: (borrowing ReaderCounter) -> Void
    ) -> PublicationEncoder {
        begin(publication, level)
        count(ReaderCounter(self))
        if publication.payloadCount >= Self.payloadMin {
            plan.unknownReaders = current.unknownReaders
            for (index, context) in groups.enumerated() {
                plan.groups[index].readers = context.notes.readers
            }
            plan.decide(payload: publication.payloadCount)
        }
        return PublicationEncoder(self, publication, sharesContexts: true)
    }

    private func begin(_ publication: Publication, _ level: Int) {
        precondition(self.publication == nil, "another publication is being encoded")
        self.publication = publication
        self.level = level
        current.epoch += 1
    }

    /// Forgets the publication at hand.
    func finish() {
        publication = nil
        plan.reset()
        current.unknownReaders = 0
        for context in groups {
            context.notes.frame = nil
            context.notes.next = nil
        }
        groups.removeAll(keepingCapacity: true)
        lastFrames.removeAll(keepingCapacity: true)
        standaloneFrame = nil
        if !narrowFrames.isEmpty { narrowFrames.removeAll() }
        plainFrame = nil
        takeoverFrame = nil
        current.unknownFrame = nil
        current.firstContext = nil
        if let part = unsafe part { unsafe table.release(part) }
        unsafe part = nil
    }

    // MARK: - Groups

    /// Adds the group of the readers that have `context`.
    @usableFromInline @inline(never)
    func addGroup(_ context: SharedContext) {
        let last = unsafe context.last
        if unsafe last.pointee.epoch != current.epoch {
            unsafe last.pointee.epoch = current.epoch
            unsafe last.pointee.slot = plan.lasts.count
            plan.lasts.append(.init())
            lastFrames.append(nil)
        }
        context.notes.epoch = current.epoch
        context.notes.group = groups.count
        context.notes.readers = 0
        groups.append(context)
        let slot = unsafe last.pointee.slot
        plan.groups.append(.init(last: slot, depth: plan.depth(last: slot)))
    }

    /// Returns the frame for the first reader of a group, and the context after it.
    @usableFromInline @inline(never)
    func encodeFirst(for context: SharedContext) -> (frame: SharedFrame, context: SharedContext?) {
        if context.notes.epoch != current.epoch { addGroup(context) }
        let group = plan.groups[context.notes.group]
        let frame: SharedFrame
        switch group.depth {
        case .deep: frame = unsafe compressed(after: context.copy(to: window))
        case .last:
            frame =
                unsafe lastFrames[group.last]
                ?? compressed(after: ContextPart.bytes(of: context.last))
            lastFrames[group.last] = frame
        case .standalone: frame = standaloneOrStored()
        }
        let next = frame.isCompressed ? self.context(after: context) : context
        context.notes.frame = frame
        context.notes.next = next
        return (frame, next)
    }

    /// Returns the frame for the first reader whose window's contents are unknown, and the context
    /// after it.
    @usableFromInline @inline(never)
    func encodeUnknown() -> (frame: SharedFrame, context: SharedContext?) {
        let frame = standaloneOrStored()
        if frame.isCompressed { _ = contextOfPublication() }
        current.unknownFrame = frame
        return (frame, current.firstContext)
    }

    /// Returns the context that holds this publication alone.
    func contextOfPublication() -> SharedContext {
        if let context = current.firstContext { return context }
        let context = context(after: nil)
        current.firstContext = context
        return context
    }

    private func context(after context: SharedContext?) -> SharedContext {
        guard let publication else { preconditionFailure("no publication is being encoded") }
        let part = unsafe part ?? table.part(for: publication)
        unsafe self.part = unsafe part
        return unsafe table.context(after: context, adding: part)
    }

    // MARK: - Frames

    /// Returns the frame that refers to nothing before it, plain if the payload doesn't shrink.
    func standalone() -> SharedFrame {
        if let frame = standaloneFrame { return frame }
        let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        let frame = unsafe plan.takesStandalone() ? compressed(after: none) : plain()
        standaloneFrame = frame
        return frame
    }

    /// Returns the standalone frame for a window smaller than the server's: a payload that is
    /// longer than the window needs a frame of its own.
    func narrowStandalone(windowBits bits: Int) -> SharedFrame {
        guard let publication, publication.payloadCount > 1 << bits else { return standalone() }
        if let frame = narrowFrames[bits] { return frame }
        let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        let frame = unsafe compressed(after: none, windowBits: bits)
        narrowFrames[bits] = frame
        return frame
    }

    /// Returns the uncompressed frame.
    func plain() -> SharedFrame {
        if let frame = plainFrame { return frame }
        guard let publication else { preconditionFailure("no publication is being encoded") }
        let frame = SharedFrame(publication)
        plainFrame = frame
        return frame
    }

    private func compressed(
        after history: UnsafeRawBufferPointer, windowBits bits: Int? = nil
    ) -> SharedFrame {
        guard let publication else { preconditionFailure("no publication is being encoded") }
        guard publication.payloadCount >= Self.payloadMin,
            let deflated = unsafe deflate(
                publication.payload, history, bits ?? windowBits, level)
        else { return plain() }
        return unsafe SharedFrame(publication, compressed: deflated)
    }

    /// Returns the frame for readers that take context over and get nothing smaller.
    private func standaloneOrStored() -> SharedFrame {
        if let frame = takeoverFrame { return frame }
        var frame = standalone()
        let sizes = Self.payloadMin...Self.storedMax
        if !frame.isCompressed, sizes.contains(frame.payloadCount), plan.includesStandalone,
            shrinksAfterOthers
        {
            frame = stored()
        }
        takeoverFrame = frame
        return frame
    }

    /// Whether the payload shrinks for the readers of the most common context; `true` if no readers
    /// have one, since it may then.
    private var shrinksAfterOthers: Bool {
        var largest: SharedContext?
        for (index, context) in groups.enumerated() where plan.groups[index].depth != .standalone {
            if context.notes.readers > largest?.notes.readers ?? 0 { largest = context }
        }
        guard let largest else { return true }
        return (largest.notes.frame ?? encodeFirst(for: largest).frame).isCompressed
    }

    /// Returns a block that isn't compressed, followed by the empty one's first byte (RFC 7692
    /// §7.2.3.3).
    private func stored() -> SharedFrame {
        guard let publication else { preconditionFailure("no publication is being encoded") }
        let size = UInt16(publication.payloadCount)
        // Safety: the window has room for `storedMax` and six.
        unsafe window[0] = 0
        unsafe window.storeBytes(of: size.littleEndian, toByteOffset: 1, as: UInt16.self)
        unsafe window.storeBytes(of: ~size.littleEndian, toByteOffset: 3, as: UInt16.self)
        unsafe UnsafeMutableRawBufferPointer(rebasing: window[5...]).copyMemory(
            from: publication.payload)
        unsafe window[5 + Int(size)] = 0
        return unsafe SharedFrame(
            publication, compressed: UnsafeRawBufferPointer(rebasing: window[..<(Int(size) + 6)]))
    }
}
