import WebSocketProtocol

/// One loop's contexts, and the encoding of one publication at a time for all its readers: the
/// ratio of context takeover at the price of compressing a few times.
///
/// Between ``begin(_:)`` and ``end()`` each reader is counted, then ``plan()`` decides, then each
/// gets its frame and the context to keep if, and only if, that frame is really written. Whoever
/// gets another compressed message has `nil` from then on; what goes plain changes nothing.
/// `nil` is always right, and so is counting a reader who gets no frame, or the reverse.
///
/// It has no socket, clock or thread. A reader costs no hashing and no allocation: 1–2 ns to
/// count, and 23 for its frame with one context among 1,000 readers, 34 with twenty, nearly all of
/// it the retains and releases of the frame and the context, the owner's included. Only the first
/// reader of a context costs more, some 0.2 µs: should no two have the same, that is each of them.
// Safety: the buffer is allocated and freed here alone; the part is held from when it is made
// until `end`.
@safe
package final class SharedContexts {
    /// Raw deflate after a history that the peer's window ends with, referring back no more than
    /// its window bits allow, flushed, without the tail; `nil` when the payload would not shrink.
    /// Valid until the next call.
    package typealias Deflate = (
        _ payload: UnsafeRawBufferPointer, _ history: UnsafeRawBufferPointer, _ windowBits: Int
    ) -> UnsafeRawBufferPointer?

    /// What is shorter can't shrink: a block's three bits, a match (12) and the two ends (7 and 3)
    /// come to four bytes.
    private static let payloadMin = 5
    /// What doesn't shrink alone and is at most this long (bytes) begins a context nevertheless, as
    /// a stored block: six bytes more, once. Without it a topic of tiny events would never have a
    /// context: of JSON of 22, 48 and 64 B, no message in 300 shrinks alone, and after others they
    /// are 0.42, 0.27 and 0.21 of their size. What is longer and doesn't shrink never does.
    private static let storedMax = 256

    /// Encodings of a publication, at most.
    package static let encodingsMax = EncodingPlan.encodingsMax

    private let deflate: Deflate
    private let windowBits: Int
    private let table: ContextTable
    private let window: UnsafeMutableRawBufferPointer

    // Nothing here calls back into an instance while one of these is changed: what goes when they
    // do are contexts, which touch the table alone.
    @exclusivity(unchecked) private var epoch: UInt64 = 0
    @exclusivity(unchecked) private var publication: Publication?
    @exclusivity(unchecked) private var part: ContextPart.Pointer?
    @exclusivity(unchecked) private var encodings = EncodingPlan()
    /// The contexts of those counted, each once, in the plan's order.
    @exclusivity(unchecked) private var groups: [SharedContext] = []
    /// The encodings after the last publication alone, in the plan's order.
    @exclusivity(unchecked) private var lastFrames: [SharedFrame?] = []
    @exclusivity(unchecked) private var standaloneFrame: SharedFrame?
    /// Those that stand alone within smaller windows, by their bits.
    @exclusivity(unchecked) private var narrowFrames: [Int: SharedFrame] = [:]
    @exclusivity(unchecked) private var plainFrame: SharedFrame?
    /// For those who take context over, and get nothing smaller.
    @exclusivity(unchecked) private var takeoverFrame: SharedFrame?
    /// For readers of whose windows nothing is known.
    @exclusivity(unchecked) private var unknownFrame: SharedFrame?
    /// The context that holds this publication alone.
    @exclusivity(unchecked) private var firstContext: SharedContext?

    /// - Parameter windowBits: 9…15: a context fills 2 to the power of that. At most what `deflate`
    ///   refers back to and each peer's window holds.
    package init(windowBits: Int, deflate: @escaping Deflate) {
        precondition(9...15 ~= windowBits)
        unsafe self.deflate = unsafe deflate
        self.windowBits = windowBits
        table = ContextTable(windowSize: 1 << windowBits)
        unsafe window = .allocate(byteCount: 1 << windowBits, alignment: 16)
    }

    deinit {
        end()
        unsafe window.deallocate()
    }

    /// Contexts that someone holds: none once every connection is gone.
    package var liveContexts: Int { table.count }

    /// Publications that they hold: none either.
    package var livePublications: Int { table.partCount }

    /// Bytes that both take.
    package var memorySize: Int { table.memorySize }

    // MARK: - One publication

    /// - Parameter cold: its frame that stands alone, if there is one from an earlier time.
    package func begin(_ publication: Publication, standalone: SharedFrame? = nil) {
        precondition(unsafe self.publication == nil, "end the one before")
        unsafe self.publication = publication
        unsafe standaloneFrame = standalone
        unsafe epoch += 1
    }

    /// First pass: readers whose windows hold `context`; `nil`: nothing that is known.
    @inline(__always)
    package func count(_ context: SharedContext?, readers: Int = 1) {
        guard let context else {
            unsafe encodings.unknownReaders &+= readers
            return
        }
        if unsafe context.epoch != epoch { addGroup(context) }
        unsafe context.readers &+= readers
    }

    /// Between the passes: decides on the encodings.
    package func plan() {
        guard let publication = unsafe publication else { preconditionFailure("nothing begun") }
        guard publication.payloadCount >= Self.payloadMin else { return }
        for (index, context) in unsafe groups.enumerated() {
            unsafe encodings.groups[index].readers = unsafe context.readers
        }
        unsafe encodings.decide(payload: publication.payloadCount)
    }

    /// Second pass: the frame for a reader with `context`, and its context once that frame was
    /// really written. Both are retained; the lookup itself costs next to nothing.
    @inline(__always)
    package func encoding(for context: SharedContext?) -> (
        frame: SharedFrame, context: SharedContext?
    ) {
        guard let context else {
            if let frame = unsafe unknownFrame { return unsafe (frame, firstContext) }
            return encodeUnknown()
        }
        if unsafe context.epoch == epoch, let frame = unsafe context.frame {
            return unsafe (frame, context.next)
        }
        return encodeFirst(for: context)
    }

    /// The frame that stands alone, for readers that demanded `server_no_context_takeover`.
    package func standalone() -> SharedFrame {
        if let frame = unsafe standaloneFrame { return frame }
        let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        let frame = unsafe encodings.takesStandalone() ? compressed(after: none) : plain()
        unsafe standaloneFrame = frame
        return frame
    }

    /// The same for readers with a window of `bits`: a smaller one than the server's needs a frame
    /// of its own once the payload is longer than it.
    @inline(__always)
    package func standalone(windowBits bits: Int) -> SharedFrame {
        bits >= windowBits ? standalone() : narrowStandalone(bits)
    }

    private func narrowStandalone(_ bits: Int) -> SharedFrame {
        guard let publication = unsafe publication, publication.payloadCount > 1 << bits else {
            return standalone()
        }
        if let frame = unsafe narrowFrames[bits] { return frame }
        let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        let frame = unsafe compressed(after: none, windowBits: bits)
        unsafe narrowFrames[bits] = frame
        return frame
    }

    /// The frame that stands alone, if anyone has needed it.
    package var standaloneIfMade: SharedFrame? { unsafe standaloneFrame }

    /// The context of a reader of whose window nothing was known after ``standalone()`` was written.
    package func contextAfterStandalone() -> SharedContext? {
        standalone().isCompressed ? beginning() : nil
    }

    /// The frame as it is.
    package func plain() -> SharedFrame {
        if let frame = unsafe plainFrame { return frame }
        guard let publication = unsafe publication else { preconditionFailure("nothing begun") }
        let frame = SharedFrame(publication)
        unsafe plainFrame = frame
        return frame
    }

    /// Lets go of what this publication needed.
    package func end() {
        unsafe publication = nil
        unsafe encodings.reset()
        for context in unsafe groups {
            unsafe context.frame = nil
            unsafe context.next = nil
        }
        unsafe groups.removeAll(keepingCapacity: true)
        unsafe lastFrames.removeAll(keepingCapacity: true)
        unsafe standaloneFrame = nil
        if unsafe !narrowFrames.isEmpty { unsafe narrowFrames.removeAll() }
        unsafe plainFrame = nil
        unsafe takeoverFrame = nil
        unsafe unknownFrame = nil
        unsafe firstContext = nil
        if let part = unsafe part { unsafe table.release(part) }
        unsafe part = nil
    }

    // MARK: - Groups

    /// `context` has readers.
    @inline(never)
    private func addGroup(_ context: SharedContext) {
        let last = unsafe context.last
        if unsafe last.pointee.epoch != epoch {
            unsafe last.pointee.epoch = unsafe epoch
            unsafe last.pointee.slot = unsafe encodings.lasts.count
            unsafe encodings.lasts.append(.init())
            unsafe lastFrames.append(nil)
        }
        unsafe context.epoch = unsafe epoch
        unsafe context.group = unsafe groups.count
        unsafe context.readers = 0
        unsafe groups.append(context)
        let slot = unsafe last.pointee.slot
        unsafe encodings.groups.append(.init(last: slot, depth: encodings.depth(last: slot)))
    }

    /// The first reader of a group to get a frame.
    @inline(never)
    private func encodeFirst(
        for context: SharedContext
    ) -> (frame: SharedFrame, context: SharedContext?) {
        if unsafe context.epoch != epoch { addGroup(context) }
        let group = unsafe encodings.groups[context.group]
        let frame: SharedFrame
        switch group.depth {
        case .deep: frame = unsafe compressed(after: context.copy(to: window))
        case .last:
            frame =
                unsafe lastFrames[group.last]
                ?? compressed(after: ContextPart.bytes(of: context.last))
            unsafe lastFrames[group.last] = frame
        case .standalone: frame = standaloneOrStored()
        }
        let next = frame.isCompressed ? self.context(after: context) : context
        unsafe context.frame = frame
        unsafe context.next = next
        return (frame, next)
    }

    @inline(never)
    private func encodeUnknown() -> (frame: SharedFrame, context: SharedContext?) {
        let frame = standaloneOrStored()
        if frame.isCompressed { _ = beginning() }
        unsafe unknownFrame = frame
        return unsafe (frame, firstContext)
    }

    private func beginning() -> SharedContext {
        if let context = unsafe firstContext { return context }
        let context = context(after: nil)
        unsafe firstContext = context
        return context
    }

    private func context(after context: SharedContext?) -> SharedContext {
        guard let publication = unsafe publication else { preconditionFailure("nothing begun") }
        let part = unsafe part ?? table.part(for: publication)
        unsafe self.part = unsafe part
        return unsafe table.context(after: context, adding: part)
    }

    private func compressed(
        after history: UnsafeRawBufferPointer, windowBits bits: Int? = nil
    ) -> SharedFrame {
        guard let publication = unsafe publication else { preconditionFailure("nothing begun") }
        guard publication.payloadCount >= Self.payloadMin else { return plain() }
        guard let deflated = unsafe deflate(publication.payload, history, bits ?? windowBits)
        else { return plain() }
        return unsafe SharedFrame(publication, compressed: deflated)
    }

    // MARK: - What doesn't shrink

    /// The frame for those who take context over, and get nothing smaller.
    private func standaloneOrStored() -> SharedFrame {
        if let frame = unsafe takeoverFrame { return frame }
        var frame = standalone()
        let sizes = Self.payloadMin...Self.storedMax
        if !frame.isCompressed, sizes.contains(frame.payloadCount),
            unsafe encodings.includesStandalone,
            shrinksAfterOthers
        {
            frame = stored()
        }
        unsafe takeoverFrame = frame
        return frame
    }

    /// Whether it shrinks for the most who have a context in common; if none have, it may.
    private var shrinksAfterOthers: Bool {
        var largest: SharedContext?
        for (index, context) in unsafe groups.enumerated() {
            guard unsafe encodings.groups[index].depth != .standalone else { continue }
            if unsafe context.readers > largest?.readers ?? 0 { largest = context }
        }
        return largest.map { encoding(for: $0).frame.isCompressed } ?? true
    }

    /// A block that isn't compressed, and the empty one's first byte (RFC 7692 §7.2.3.3).
    private func stored() -> SharedFrame {
        guard let publication = unsafe publication else { preconditionFailure("nothing begun") }
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
