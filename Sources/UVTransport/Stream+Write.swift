import CLibuv
import Glibc

/// What the kernel would not take: bytes given to libuv, and bytes that wait behind them.
struct Outbox {
    /// Queued and not yet given to libuv.
    var waiting = ByteQueue()
    /// Given to `uv_write`; must not move until its callback.
    var inFlightCount = 0
}

/// Growable raw memory that is filled at its end and handed over whole.
struct ByteQueue {
    private(set) var base: UnsafeMutableRawPointer?
    private(set) var count = 0
    private var capacity = 0

    /// Uninitialised room for `added` bytes at the end, which now count.
    mutating func append(_ added: Int) -> UnsafeMutableRawPointer {
        if count + added > capacity {
            capacity = max(count + added, min(capacity * 2, capacity + 1 << 20), 1_024)
            base = realloc(base, capacity)
            precondition(base != nil, "out of memory")
        }
        let place = base! + count
        count += added
        return place
    }

    mutating func release() {
        free(base)
        self = ByteQueue()
    }
}

/// A write in libuv's hands, with the memory it reads from.
private struct PendingWrite {
    var request = uv_write_t()
    var bytes: ByteQueue
}

extension Stream {
    /// Bytes accepted and not yet taken by the kernel, the corked ones aside.
    public final var outboxCount: Int {
        guard let outbox else { return 0 }
        return outbox.inFlightCount + outbox.waiting.count
    }

    public final var hasOutbox: Bool { outbox != nil }

    /// Room for exactly `count` bytes at the end of what this stream sends, to be filled before
    /// anything else is called; `nil` when nothing can be sent any more.
    @inlinable
    public final func append(_ count: Int) -> UnsafeMutableRawPointer? {
        let cork = loop.cork
        if cork.pointee.owner?.toOpaque() == Unmanaged.passUnretained(self).toOpaque(),
            cork.pointee.count + count <= cork.pointee.capacity
        {
            let place = cork.pointee.base + cork.pointee.count
            cork.pointee.count += count
            return place
        }
        return appendSlowly(count)
    }

    @usableFromInline
    final func appendSlowly(_ count: Int) -> UnsafeMutableRawPointer? {
        guard isOpen else { return nil }
        if outbox != nil { return outbox!.waiting.append(count) }
        let cork = loop.cork
        if cork.pointee.count > 0 { loop.flushCork() }
        guard isOpen else { return nil }
        if outbox != nil || count > cork.pointee.capacity {
            // Bigger than the cork, or refused by that very flush.
            if outbox == nil { outbox = Outbox() }
            loop.execute { [self] in startWriting() }
            return outbox!.waiting.append(count)
        }
        cork.pointee.owner = Unmanaged.passUnretained(self)
        cork.pointee.count = count
        return cork.pointee.base
    }

    /// Sends a header and a large payload, uncopied as far as the kernel takes them now.
    public final func write(header: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) {
        guard isOpen else { return }
        let cork = loop.cork
        if cork.pointee.count > 0, cork.pointee.owner?.toOpaque() != Unmanaged.passUnretained(self).toOpaque() {
            loop.flushCork()
        }
        guard outbox == nil else {
            outbox!.waiting.append(header.count).copyMemory(from: header.baseAddress!, byteCount: header.count)
            outbox!.waiting.append(payload.count).copyMemory(from: payload.baseAddress!, byteCount: payload.count)
            return
        }
        let corked = cork.pointee.count
        let sent = withUnsafeTemporaryAllocation(of: uv_buf_t.self, capacity: 3) { buffers in
            buffers[0] = uv_buf_init(cork.pointee.base.assumingMemoryBound(to: CChar.self), UInt32(corked))
            buffers[1] = uv_buf_t(base: UnsafeMutablePointer(mutating: header.baseAddress!.assumingMemoryBound(to: CChar.self)), len: header.count)
            buffers[2] = uv_buf_t(base: UnsafeMutablePointer(mutating: payload.baseAddress!.assumingMemoryBound(to: CChar.self)), len: payload.count)
            let first = corked > 0 ? 0 : 1
            return Int(uv_try_write(handle, buffers.baseAddress! + first, UInt32(3 - first)))
        }
        cork.pointee.count = 0
        guard let taken = checkSent(sent) else { return }
        keepUnsent([
            UnsafeRawBufferPointer(start: cork.pointee.base, count: corked), header, payload,
        ], skipping: taken)
    }

    /// Sends what the cork holds for this stream.
    final func flush() {
        let cork = loop.cork
        let count = cork.pointee.count
        cork.pointee.count = 0
        guard count > 0, isOpen || !hasFailed else { return }
        var buffer = uv_buf_init(cork.pointee.base.assumingMemoryBound(to: CChar.self), UInt32(count))
        guard let taken = checkSent(Int(uv_try_write(handle, &buffer, 1))) else { return }
        if taken < count {
            keepUnsent([UnsafeRawBufferPointer(start: cork.pointee.base, count: count)], skipping: taken)
        }
    }

    final func flushIfCorked() {
        if loop.cork.pointee.count > 0,
            loop.cork.pointee.owner?.toOpaque() == Unmanaged.passUnretained(self).toOpaque()
        {
            flush()
        }
    }

    /// The bytes taken, 0 when the kernel is full; `nil` after a failure, which is reported.
    private final func checkSent(_ result: Int) -> Int? {
        if result >= 0 { return result }
        if result == Int(UV_EAGAIN.rawValue) { return 0 }
        fail(Int32(result))
        return nil
    }

    private final func keepUnsent(_ parts: [UnsafeRawBufferPointer], skipping taken: Int) {
        var skip = taken
        var queue = ByteQueue()
        for part in parts {
            if skip >= part.count {
                skip -= part.count
                continue
            }
            let rest = UnsafeRawBufferPointer(rebasing: part[skip...])
            skip = 0
            queue.append(rest.count).copyMemory(from: rest.baseAddress!, byteCount: rest.count)
        }
        guard queue.count > 0 else { return }
        outbox = Outbox(waiting: queue)
        startWriting()
    }

    /// Gives what waits to libuv, unless it has some already.
    private final func startWriting() {
        guard let waiting = outbox?.waiting, outbox!.inFlightCount == 0, !hasFailed else { return }
        guard waiting.count > 0 else {
            outbox = nil
            return
        }
        let write = UnsafeMutablePointer<PendingWrite>.allocate(capacity: 1)
        write.initialize(to: PendingWrite(bytes: waiting))
        outbox = Outbox(inFlightCount: waiting.count)
        var buffer = uv_buf_t(base: waiting.base!.assumingMemoryBound(to: CChar.self), len: waiting.count)
        let request = UnsafeMutableRawPointer(write).assumingMemoryBound(to: uv_write_t.self)
        let code = uv_write(request, handle, &buffer, 1) { request, status in
            let stream = Stream.of(request!.pointee.handle)
            let write = UnsafeMutableRawPointer(request!).assumingMemoryBound(to: PendingWrite.self)
            write.pointee.bytes.release()
            write.deinitialize(count: 1).deallocate()
            stream.didWrite(status)
        }
        if code < 0 {
            write.pointee.bytes.release()
            write.deallocate()
            outbox = nil
            fail(code)
        }
    }

    private final func didWrite(_ status: Int32) {
        outbox?.inFlightCount = 0
        if status < 0 {
            dropUnsent()
            if status != UV_ECANCELED.rawValue { fail(status) }
            return
        }
        startWriting()
        if outbox == nil { shutDownWritingIfFinishing() }
        if isOpen { outboxShrank() }
        loop.endTurn()
    }

    /// Forgets what has not been given to libuv.
    final func dropUnsent() {
        let cork = loop.cork
        if cork.pointee.owner?.toOpaque() == Unmanaged.passUnretained(self).toOpaque() {
            cork.pointee.count = 0
            cork.pointee.owner = nil
        }
        guard outbox != nil else { return }
        outbox!.waiting.release()
        if outbox!.inFlightCount == 0 { outbox = nil }
    }
}
