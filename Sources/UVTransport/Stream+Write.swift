import CLibuv
import Glibc

/// The bytes that the kernel would not take. An object of its own, so that a stream without one
/// pays a word.
@unsafe
final class Outbox {
    /// The bytes that are sent next. They don't move; the first ``sentCount`` of them are sent.
    var leaving = unsafe ByteQueue()
    var sentCount = 0
    /// The bytes that were queued in the meantime.
    var waiting: ByteQueue

    init(waiting: ByteQueue = unsafe ByteQueue()) { unsafe self.waiting = unsafe waiting }

    deinit {
        unsafe leaving.release()
        unsafe waiting.release()
    }

    var count: Int { unsafe leaving.count - sentCount + waiting.count }

    /// Returns the bytes to send next; empty when all are sent.
    func next() -> UnsafeRawBufferPointer {
        if unsafe sentCount == leaving.count {
            unsafe leaving.release()
            unsafe swap(&leaving, &waiting)
            unsafe sentCount = 0
        }
        return unsafe UnsafeRawBufferPointer(
            start: leaving.base.map { unsafe UnsafeRawPointer($0) + sentCount },
            count: leaving.count - sentCount)
    }
}

/// Growable raw memory that is filled at its end and released as a whole.
@unsafe
struct ByteQueue {
    private(set) var base: UnsafeMutableRawPointer?
    private(set) var count = 0
    private var capacity = 0

    /// Returns uninitialised room for `added` bytes at the end, which count from now on.
    mutating func append(_ added: Int) -> UnsafeMutableRawPointer {
        if unsafe count + added > capacity {
            unsafe capacity = unsafe max(
                count + added, min(capacity * 2, capacity + 1 << 20), 1_024)
            unsafe base = unsafe realloc(base, capacity)
            unsafe precondition(base != nil, "out of memory")
        }
        let place = unsafe base! + count
        unsafe count += added
        return unsafe place
    }

    mutating func release() {
        unsafe free(base)
        unsafe self = unsafe ByteQueue()
    }
}

extension Stream {
    /// The bytes that the kernel has not taken yet, except for the corked ones.
    public final var outboxCount: Int { unsafe outbox?.count ?? 0 }

    public final var hasOutbox: Bool { unsafe outbox != nil }

    /// Whether the cork gathers this stream's bytes: the stream is then open and has no outbox.
    @inlinable @inline(__always)
    public final var ownsCork: Bool {
        // As numbers, which is one comparison: an optional's is three.
        let owner = unsafe UInt(bitPattern: loop.turn.pointee.corkOwner?.toOpaque())
        return unsafe owner == UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())
    }

    /// Returns room for exactly `count` bytes after those that this stream has written in this
    /// turn. The caller must fill it before any other call. Returns `nil` if the stream has written
    /// nothing yet or the cork is full; use ``append(_:)`` then.
    @inlinable @inline(__always)
    public final func appendCorked(_ count: Int) -> UnsafeMutableRawPointer? {
        let turn = unsafe loop.turn
        let end = unsafe turn.pointee.corkCount &+ count
        guard ownsCork, unsafe end <= turn.pointee.corkCapacity else { return nil }
        let place = unsafe turn.pointee.cork + turn.pointee.corkCount
        unsafe turn.pointee.corkCount = end
        return unsafe place
    }

    /// Returns room for exactly `count` bytes at the end of the stream, to be filled before
    /// anything else is called; `nil` when nothing can be sent any more.
    public final func append(_ count: Int) -> UnsafeMutableRawPointer? {
        if let place = unsafe appendCorked(count) { return unsafe place }
        return unsafe appendSlowly(count)
    }

    private final func appendSlowly(_ count: Int) -> UnsafeMutableRawPointer? {
        if let place = unsafe takeCork(count) { return unsafe place }
        guard isOpen else { return nil }
        if unsafe outbox == nil {
            // Bigger than the cork: sent at the turn's end, once the caller has filled it.
            unsafe outbox = unsafe Outbox()
            loop.execute { [self] in sendOutbox() }
        }
        let place = unsafe outbox!.waiting.append(count)
        outboxGrew()
        return unsafe place
    }

    /// Makes the cork this stream's, after sending its contents, and returns room for exactly
    /// `count` bytes. Returns `nil` if the stream has an outbox or is over, or if they don't fit.
    public final func takeCork(_ count: Int) -> UnsafeMutableRawPointer? {
        let turn = unsafe loop.turn
        guard unsafe count <= turn.pointee.corkCapacity else {
            // The bytes must be sent in order.
            if ownsCork { flush() }
            return nil
        }
        if unsafe turn.pointee.corkCount > 0 { loop.flushCork() }
        guard unsafe outbox == nil, isOpen else { return nil }
        unsafe turn.pointee.corkOwner = unsafe Unmanaged.passUnretained(self)
        unsafe turn.pointee.corkCount = count
        return unsafe turn.pointee.cork
    }

    /// Sends a header and a large payload, uncopied as far as the kernel takes them now.
    public final func write(header: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) {
        guard isOpen else { return }
        let turn = unsafe loop.turn
        if unsafe turn.pointee.corkCount > 0,
            !ownsCork
        {
            loop.flushCork()
        }
        guard unsafe outbox == nil else {
            unsafe outbox!.waiting.append(header.count).copyMemory(
                from: header.baseAddress!, byteCount: header.count)
            unsafe outbox!.waiting.append(payload.count).copyMemory(
                from: payload.baseAddress!, byteCount: payload.count)
            return outboxGrew()
        }
        let corked = unsafe turn.pointee.corkCount
        let sent = unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 3) { parts in
            unsafe parts[0] = unsafe iovec(iov_base: turn.pointee.cork, iov_len: corked)
            unsafe parts[1] = unsafe iovec(header)
            unsafe parts[2] = unsafe iovec(payload)
            let first = corked > 0 ? 0 : 1
            return unsafe deliver(UnsafeMutableBufferPointer(rebasing: parts[first...]))
        }
        if corked > 0 { disownCork() }
        guard let taken = checkSent(sent) else { return }
        unsafe keepUnsent(
            [
                UnsafeRawBufferPointer(start: turn.pointee.cork, count: corked), header, payload,
            ], skipping: taken)
    }

    /// Sends bytes at once, uncopied as far as the kernel takes them now. For whole frames that are
    /// encoded already and may be shared: those of a publication, or of a load generator.
    ///
    /// The cork's bytes of this stream are sent with them.
    public final func writeNow(_ bytes: UnsafeRawBufferPointer) {
        guard isOpen, bytes.count > 0 else { return }
        if ownsCork {
            let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
            return unsafe write(header: nothing, payload: bytes)
        }
        guard unsafe outbox == nil else {
            unsafe outbox!.waiting.append(bytes.count).copyMemory(
                from: bytes.baseAddress!, byteCount: bytes.count)
            return outboxGrew()
        }
        // Safety: the caller vouches for the bytes.
        guard let taken = unsafe checkSent(deliver(bytes.baseAddress!, bytes.count)) else { return }
        if taken < bytes.count { unsafe keepUnsent([bytes], skipping: taken) }
    }

    /// Sends the cork's bytes of this stream.
    final func flush() {
        let turn = unsafe loop.turn
        let count = unsafe turn.pointee.corkCount
        disownCork()
        guard count > 0, isOpen || !hasFailed else { return }
        // Safety: the cork holds this many bytes; a closed stream has no descriptor.
        guard let taken = unsafe checkSent(deliver(turn.pointee.cork, count)) else { return }
        if taken < count {
            unsafe keepUnsent(
                [UnsafeRawBufferPointer(start: turn.pointee.cork, count: count)], skipping: taken)
        }
    }

    /// Sends the cork's bytes of this stream now, without waiting for the turn's end.
    public final func flushIfCorked() {
        if unsafe loop.turn.pointee.corkCount > 0,
            ownsCork
        {
            flush()
        }
    }

    /// Has the kernel or the transport take bytes. Returns how many, or a negative error code.
    @inline(__always)
    private final func deliver(_ bytes: UnsafeRawPointer, _ count: Int) -> Int {
        if descriptor >= 0 { return unsafe apus_send(descriptor, bytes, count) }
        return unsafe deliverByTransport(bytes, count)
    }

    /// Has the kernel or the transport take several parts.
    @inline(__always)
    private final func deliver(_ parts: UnsafeMutableBufferPointer<iovec>) -> Int {
        if descriptor >= 0 {
            return unsafe apus_send_parts(descriptor, parts.baseAddress!, parts.count)
        }
        return unsafe deliverByTransport(parts)
    }

    /// Returns the number of bytes taken, 0 when the kernel is full; `nil` after a failure, which
    /// is reported.
    @inline(__always)
    private final func checkSent(_ result: Int) -> Int? {
        result >= 0 ? result : checkUnsent(result)
    }

    @inline(never)
    private final func checkUnsent(_ result: Int) -> Int? {
        if result == Int(UV_EAGAIN.rawValue) { return 0 }
        fail(Int32(result))
        return nil
    }

    private final func keepUnsent(_ parts: [UnsafeRawBufferPointer], skipping taken: Int) {
        var skip = taken
        var queue = unsafe ByteQueue()
        for index in unsafe parts.indices {
            let part = unsafe parts[index]
            if skip >= part.count {
                skip -= part.count
                continue
            }
            let rest = unsafe UnsafeRawBufferPointer(rebasing: part[skip...])
            skip = 0
            unsafe queue.append(rest.count).copyMemory(
                from: rest.baseAddress!, byteCount: rest.count)
        }
        guard unsafe queue.count > 0 else { return }
        unsafe outbox = unsafe Outbox(waiting: queue)
        disownCork()
        updatePolling()
        outboxGrew()
    }

    /// Sends the outbox, as far as the kernel takes it now.
    final func sendOutbox() {
        while let bytes = unsafe outbox?.next() {
            if bytes.count == 0 {
                unsafe outbox = nil
                break
            }
            guard let taken = unsafe checkSent(deliver(bytes.baseAddress!, bytes.count)) else {
                return
            }
            unsafe outbox?.sentCount += taken
            if taken < bytes.count { break }
        }
        updatePolling()
        if unsafe outbox == nil { shutDownWritingIfFinishing() }
        if isSending { outboxShrank() }
    }

    /// Empties the cork if this stream owns it, and leaves it without an owner.
    final func disownCork() {
        guard ownsCork else { return }
        unsafe loop.turn.pointee.corkCount = 0
        unsafe loop.turn.pointee.corkOwner = nil
    }

    /// Drops the bytes that the kernel has not taken; for a stream that is about to be reset.
    public final func dropUnsent() {
        disownCork()
        unsafe outbox = nil
    }
}

extension iovec {
    fileprivate init(_ bytes: UnsafeRawBufferPointer) {
        unsafe self.init(
            iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    }
}
