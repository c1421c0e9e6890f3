import CLibuv
import Glibc

/// A connected TCP or Unix-domain stream on one loop: the base class of what speaks on it.
///
/// An open stream keeps itself alive: libuv may use the handle until its close callback, so the
/// retain taken at its making is released there and nowhere else. Subclasses override ``received(_:)`` and its neighbours.
// Safety: it owns its handle, whose memory goes with it, after the close callback.
@safe
open class Stream: TimerEntry, @unchecked Sendable {
    // Safety: a stream is confined to its loop; what crosses threads is only the reference.

    public final let loop: EventLoop
    final let handle: UnsafeMutablePointer<uv_stream_t>
    /// What the kernel would not take yet; exists only meanwhile.
    @exclusivity(unchecked) final var outbox: Outbox?
    @exclusivity(unchecked) private final var state: State = .open
    /// A failed write has been noticed and will be reported at the end of the turn.
    @exclusivity(unchecked) final var hasFailed = false
    @exclusivity(unchecked) private final var isReading = false
    /// While true, reads go to ``readTarget()`` instead of the loop's shared buffer.
    @exclusivity(unchecked) private final var wantsOwnReadBuffer = false

    /// What the handle was given; -1 before and after. While there is no outbox, and so nothing that
    /// libuv has yet to write, bytes are written to it directly: that touches no handle's memory,
    /// which of a thousand receivers would be a thousand cache misses.
    @exclusivity(unchecked) final var descriptor: Int32 = -1

    private enum State: UInt8 { case open, finishing, closed }

    /// Makes a stream for a kind of address, without a connection yet.
    public init(loop: EventLoop, isUnixDomain: Bool) {
        self.loop = loop
        let raw: UnsafeMutableRawPointer
        if isUnixDomain {
            let pipe = UnsafeMutablePointer<uv_pipe_t>.allocate(capacity: 1)
            unsafe uv_pipe_init(loop.uv, pipe, 0)
            unsafe raw = UnsafeMutableRawPointer(pipe)
        } else {
            let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
            unsafe uv_tcp_init(loop.uv, tcp)
            unsafe raw = UnsafeMutableRawPointer(tcp)
        }
        unsafe handle = unsafe raw.assumingMemoryBound(to: uv_stream_t.self)
        super.init()
        loop.openHandles += 1
        unsafe handle.pointee.data = unsafe Unmanaged.passRetained(self).toOpaque()
    }

    deinit { unsafe handle.deallocate() }

    /// Takes over a connected descriptor and starts reading; on an error it is closed.
    public final func adopt(ownedDescriptor descriptor: Int32) throws(TransportError) {
        let raw = unsafe UnsafeMutableRawPointer(handle)
        let code =
            unsafe handle.pointee.type == UV_NAMED_PIPE
            ? uv_pipe_open(raw.assumingMemoryBound(to: uv_pipe_t.self), descriptor)
            : uv_tcp_open(raw.assumingMemoryBound(to: uv_tcp_t.self), descriptor)
        if code < 0 {
            Glibc.close(descriptor)
            close()
            throw TransportError(code: code, operation: "open a socket")
        }
        unsafe self.descriptor = descriptor
        resumeReading()
    }

    static func of(_ handle: UnsafeMutableRawPointer) -> Stream {
        let data = unsafe handle.assumingMemoryBound(to: uv_handle_t.self).pointee.data!
        return unsafe Unmanaged<Stream>.fromOpaque(data).takeUnretainedValue()
    }

    // MARK: - For subclasses

    /// Bytes arrived, in memory that is the subclass's to change until it returns.
    open func received(_ bytes: UnsafeMutableRawBufferPointer) {}

    /// Where the next read goes while ``wantsOwnReadBuffer``; empty means the shared buffer.
    open func readTarget() -> UnsafeMutableRawBufferPointer { unsafe .init(start: nil, count: 0) }

    /// The peer sent its last byte, or the connection failed; called once, then only ``closed()``.
    open func ended(_ error: TransportError) {}

    /// Queued bytes have been taken by the kernel; ``outboxCount`` tells how many are left.
    open func outboxShrank() {}

    /// The handle is closed, and the descriptor with it. Always the last call.
    open func closed() {}

    // MARK: - Reading

    /// The front of the loop's shared buffer, for a ``readTarget()`` that wants a short read.
    public final func sharedReadBuffer(atMost count: Int) -> UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(
            start: loop.readBuffer, count: min(count, loop.readSize))
    }

    /// Whether bytes that arrived are in the loop's shared buffer.
    public final func isInSharedReadBuffer(_ bytes: UnsafeMutableRawPointer) -> Bool {
        let start = unsafe UnsafeMutableRawPointer(loop.readBuffer)
        return unsafe bytes >= start && bytes < start + EventLoop.readBufferSize
    }

    /// Whether the next reads ask ``readTarget()`` for their memory.
    public final func setOwnReadBuffer(_ wanted: Bool) { unsafe wantsOwnReadBuffer = wanted }

    /// Whether bytes can still be sent and received.
    public final var isOpen: Bool { unsafe state == .open && !hasFailed }

    /// Whether what is queued still leaves: the stream is open, or finishing.
    final var isSending: Bool { unsafe state != .closed && !hasFailed }

    /// Stops reading: the peer's next bytes wait in the kernel, which pushes back on it.
    public final func pauseReading() {
        guard unsafe isReading else { return }
        unsafe isReading = false
        unsafe uv_read_stop(handle)
    }

    public final func resumeReading() {
        guard unsafe !isReading, unsafe state != .closed else { return }
        unsafe isReading = true
        unsafe uv_read_start(handle, onAllocate, onRead)
    }

    fileprivate final func bufferForReading() -> uv_buf_t {
        if unsafe wantsOwnReadBuffer {
            let target = unsafe readTarget()
            if target.count > 0 {
                return unsafe uv_buf_t(
                    base: target.baseAddress!.assumingMemoryBound(to: CChar.self),
                    len: target.count)
            }
        }
        return unsafe uv_buf_t(
            base: loop.readBuffer.assumingMemoryBound(to: CChar.self),
            len: loop.readSize)
    }

    fileprivate final func didRead(_ count: Int, _ base: UnsafeMutablePointer<CChar>?) {
        if count > 0 {
            unsafe received(UnsafeMutableRawBufferPointer(start: base, count: count))
        } else if count < 0 {
            pauseReading()
            reportEnd(TransportError(code: Int32(count), operation: "read"))
        }
        loop.endTurn()
    }

    /// Tells the subclass once that the connection is over.
    final func reportEnd(_ error: TransportError) {
        guard unsafe !hasEnded else { return }
        unsafe hasEnded = true
        ended(error)
    }
    /// The peer's last byte has been read, or the connection has failed.
    @exclusivity(unchecked) public final private(set) var hasEnded = false

    /// Reports a failed write after the code that wrote has returned.
    final func fail(_ code: Int32) {
        guard unsafe !hasFailed, unsafe state != .closed else { return }
        unsafe hasFailed = true
        dropUnsent()
        loop.execute { [self] in
            if unsafe state != .closed { reportEnd(TransportError(code: code, operation: "write")) }
        }
    }

    // MARK: - Closing

    /// Sends what is queued, then the end of the stream (FIN); reading goes on.
    public final func finishWriting() {
        guard unsafe state == .open else { return }
        unsafe state = .finishing
        if unsafe hasFailed { return }
        flushIfCorked()
        disownCork()
        if unsafe outbox == nil { shutDownWriting() }
    }

    /// Half-closes once nothing is queued.
    final func shutDownWritingIfFinishing() {
        if unsafe state == .finishing, unsafe !hasFailed { shutDownWriting() }
    }

    private final func shutDownWriting() {
        var descriptor: uv_os_fd_t = 0
        let raw = unsafe UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
        if unsafe uv_fileno(raw, &descriptor) == 0 { shutdown(descriptor, Int32(SHUT_WR)) }
    }

    /// Closes at once; what the kernel has not taken is dropped. ``closed()`` follows.
    public final func close() {
        guard unsafe state != .closed else { return }
        flushIfCorked()
        unsafe state = .closed
        dropUnsent()
        loop.cancel(self)
        // Its number may soon be another's.
        unsafe descriptor = -1
        unsafe uv_close(UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)) {
            let stream = unsafe Stream.of($0!)
            stream.loop.openHandles -= 1
            stream.closed()
            stream.loop.endTurn()
            // Safety: balances the retain of `init`; libuv uses the handle no more.
            unsafe Unmanaged.passUnretained(stream).release()
        }
    }

    /// Whether the peer has yet to acknowledge bytes that the kernel was given. Closed, it would
    /// keep them for minutes, in case the peer comes back.
    public final var isUnacknowledged: Bool { unsafe apus_unacknowledged(descriptor) > 0 }

    /// Closes with a reset (RST), which drops what the peer has not read either.
    public final func reset() {
        guard unsafe state != .closed else { return }
        if unsafe handle.pointee.type == UV_TCP {
            dropUnsent()
            var descriptor: uv_os_fd_t = 0
            let raw = unsafe UnsafeMutableRawPointer(handle).assumingMemoryBound(
                to: uv_handle_t.self)
            var abort = linger(l_onoff: 1, l_linger: 0)
            if unsafe uv_fileno(raw, &descriptor) == 0 {
                unsafe setsockopt(
                    descriptor, SOL_SOCKET, SO_LINGER, &abort,
                    socklen_t(MemoryLayout<linger>.size))
            }
        }
        close()
    }
}

// Safety of both: an open handle keeps its stream alive until the close callback, which libuv
// never calls from within another; so neither retains it.

private let onAllocate: uv_alloc_cb = { handle, _, buffer in
    let data = unsafe handle!.pointee.data!
    unsafe Unmanaged<Stream>.fromOpaque(data)._withUnsafeGuaranteedRef { stream in
        unsafe buffer!.pointee = stream.bufferForReading()
    }
}

private let onRead: uv_read_cb = { handle, count, buffer in
    let data = unsafe handle!.pointee.data!
    unsafe Unmanaged<Stream>.fromOpaque(data)._withUnsafeGuaranteedRef { stream in
        unsafe stream.didRead(count, buffer!.pointee.base)
    }
}
