import CLibuv
import Glibc

/// A connected TCP or Unix-domain stream on one loop: the base class for protocols.
///
/// libuv reports when the descriptor is ready (`uv_poll`), and the stream reads and writes by
/// itself. This costs less time and memory than `uv_tcp`, and never copies bytes that the kernel
/// takes at once.
///
/// Subclasses override ``received(_:)`` and its neighbours. Only they may call the functions that
/// pause and end the stream (``stopPolling()``, ``closeHandle()``, ``resetHandle()``). Other code
/// uses the subclass's own functions, which also maintain its state.
@safe
open class Stream: Handle, @unchecked Sendable {
    // Safety: a stream is confined to its loop; what crosses threads is only the reference.

    /// The bytes that the kernel would not take yet; `nil` while there are none.
    @exclusivity(unchecked) final var outbox: Outbox?
    /// The carrier of the bytes in place of a socket: `nil` for plain sockets, which pay a word for
    /// it, and one branch for each system call.
    final var transport: StreamTransport?
    /// The descriptor; -1 before the stream is given one, once it is closed, and if there is a
    /// ``transport``.
    final var descriptor: Int32 = -1
    private final var state: State = .open
    /// A failed write has been noticed and will be reported at the end of the turn.
    final var hasFailed = false
    private final var isReading = false
    /// The events that libuv polls for: bits of `uv_poll_event`.
    private final var polled: UInt8 = 0
    /// Whether reads go to ``readTarget()`` instead of the loop's shared buffer.
    private final var wantsOwnReadBuffer = false
    /// The peer's last byte has been read, or the connection has failed.
    @exclusivity(unchecked) public final private(set) var hasEnded = false

    private enum State: UInt8 { case open, finishing, closed }

    /// The most reads for one event, as long as each fills its buffer, and the nanoseconds after
    /// which there is no further read.
    private static let readsMax = 32
    private static let readNanosecondsMax: UInt64 = 2_000_000
    private static let readable = UInt8(UV_READABLE.rawValue)
    private static let writable = UInt8(UV_WRITABLE.rawValue)

    /// Makes a stream without a connection yet.
    public override init(loop: EventLoop) { super.init(loop: loop) }

    /// Takes over a connected descriptor and starts reading; on an error it is closed.
    public final func adopt(ownedDescriptor descriptor: Int32) throws(TransportError) {
        let code = open(polling: descriptor)
        if code < 0 {
            Glibc.close(descriptor)
            closeHandle()
            throw TransportError(code: code, operation: "open a socket")
        }
        self.descriptor = descriptor
        startPolling()
    }

    // MARK: - For subclasses

    /// Called when bytes have arrived. The subclass may change them until it returns.
    open func received(_ bytes: UnsafeMutableRawBufferPointer) {}

    /// Returns the memory for the next read while ``wantsOwnReadBuffer``; empty memory means the
    /// shared buffer.
    open func readTarget() -> UnsafeMutableRawBufferPointer { unsafe .init(start: nil, count: 0) }

    /// Called once when the peer has sent its last byte, or the connection has failed. Only
    /// ``closed()`` follows.
    open func ended(_ error: TransportError) {}

    /// Called when bytes have been added to the outbox.
    open func outboxGrew() {}

    /// Called when the kernel has taken bytes of the outbox, or when they were dropped because
    /// writing failed after the peer's end; ``outboxCount`` bytes are left.
    open func outboxShrank() {}

    /// Called when ``transportHeldSize`` has changed.
    open func transportHeldSizeChanged() {}

    // MARK: - Reading

    /// The most bytes that the next read may bring.
    public final var nextReadSize: Int { loop.nextReadSize }

    /// Returns the front of the loop's shared buffer, for a ``readTarget()`` that wants a short
    /// read.
    public final func sharedReadBuffer(atMost count: Int) -> UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(
            start: loop.readBuffer, count: min(count, loop.nextReadSize))
    }

    /// Returns whether received bytes are in the loop's shared buffer.
    public final func isInSharedReadBuffer(_ bytes: UnsafeMutableRawPointer) -> Bool {
        let start = unsafe UnsafeMutableRawPointer(loop.readBuffer)
        return unsafe bytes >= start && bytes < start + EventLoop.readBufferSize
    }

    /// Sets whether the next reads ask ``readTarget()`` for their memory.
    public final func setOwnReadBuffer(_ wanted: Bool) { wantsOwnReadBuffer = wanted }

    /// Whether bytes can still be sent and received.
    public final var isOpen: Bool { state == .open && !hasFailed }

    /// Whether queued bytes are still sent: the stream is open, or finishing.
    final var isSending: Bool { state != .closed && !hasFailed }

    /// Stops reading. The peer's next bytes wait in the kernel, which applies backpressure to the
    /// peer.
    ///
    /// Polling ends with the next event, not with this call, because reading often resumes before.
    public final func stopPolling() { isReading = false }

    /// Reads again after ``stopPolling()``.
    public final func startPolling() {
        guard !isReading, state != .closed, unsafe !hasEnded else { return }
        isReading = true
        updatePolling()
    }

    /// Polls for the events that are wanted now.
    // Not inlined, because an event seldom changes the polled events.
    @inline(never)
    final func updatePolling() {
        var wanted: UInt8 = isReading ? Self.readable : 0
        if unsafe (outbox != nil) { wanted |= Self.writable }
        guard wanted != polled && state != .closed else { return }
        if let poll = unsafe opened(as: uv_poll_t.self) {
            polled = wanted
            // With no events wanted, this stops polling.
            unsafe uv_poll_start(poll, Int32(wanted), onReady)
        } else if let transport {
            polled = wanted
            transport.wanted = StreamEvents(rawValue: wanted)
        }
    }

    /// Handles readiness for `events`, or an error, which is a negative `status`.
    @inline(never)
    final func didPoll(_ status: Int32, _ events: Int32) {
        var ready = UInt8(truncatingIfNeeded: events)
        if status < 0 {
            // libuv has stopped polling. The next call on the socket reports the error; bytes that
            // came before it can still be read.
            polled = 0
            ready = Self.readable | Self.writable
        }
        var isUnwanted = status < 0
        if ready & Self.readable != 0 {
            if isReading {
                let isDrained = readAvailable()
                // An error that reading doesn't report would be polled again without end.
                if status < 0, isDrained {
                    endReading(TransportError(code: UV_EIO.rawValue, operation: "read"))
                }
            } else {
                isUnwanted = true
            }
        }
        if ready & Self.writable != 0 {
            if unsafe outbox != nil { sendOutbox() } else { isUnwanted = true }
        }
        // A pause that began with this event may be over before there is another.
        if isUnwanted { updatePolling() }
        loop.endTurn()
    }

    /// Reads until a buffer isn't filled. Returns whether nothing was left to read, and the stream
    /// hasn't ended.
    private final func readAvailable() -> Bool {
        var began: UInt64 = 0
        for _ in 0..<Self.readsMax {
            let buffer = unsafe bufferForReading()
            let count = unsafe receive(into: buffer)
            guard count > 0 else {
                if count == Int(UV_EAGAIN.rawValue) { return true }
                let code = count == 0 ? UV_EOF.rawValue : Int32(count)
                endReading(TransportError(code: code, operation: "read"))
                return false
            }
            if count >= ReadAllowance.notedSizeMin { loop.noteRead(count) }
            unsafe received(UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
            guard count == buffer.count, loop.nextReadSize == loop.readSize else {
                return false
            }
            loop.endTurn()
            guard isReading else { return false }
            // Other streams have their turn. The unread bytes make the descriptor ready again.
            let now = loop.nanoseconds
            if began == 0 { began = now }
            if now - began > Self.readNanosecondsMax { return false }
        }
        return false
    }

    /// Returns the number of bytes read, 0 at the end of the stream, or a negative error code.
    @inline(__always)
    private final func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        if descriptor >= 0 {
            return unsafe apus_receive(descriptor, buffer.baseAddress!, buffer.count)
        }
        return unsafe receiveByTransport(into: buffer)
    }

    private final func bufferForReading() -> UnsafeMutableRawBufferPointer {
        if wantsOwnReadBuffer {
            let target = unsafe readTarget()
            if target.count > 0 { return unsafe target }
        }
        return unsafe UnsafeMutableRawBufferPointer(
            start: loop.readBuffer, count: loop.nextReadSize)
    }

    private final func endReading(_ error: TransportError) {
        stopPolling()
        reportEnd(error)
    }

    /// Reports the end to the subclass, once.
    private final func reportEnd(_ error: TransportError) {
        guard unsafe !hasEnded else { return }
        unsafe hasEnded = true
        ended(error)
    }

    /// Reports a failed write after the code that wrote has returned.
    final func fail(_ code: Int32) {
        guard !hasFailed, state != .closed else { return }
        hasFailed = true
        dropUnsent()
        loop.execute { [self] in
            guard state != .closed else { return }
            if unsafe hasEnded {
                // The subclass knows of the peer's end, and waits for the outbox, which is empty
                // now.
                outboxShrank()
            } else {
                reportEnd(TransportError(code: code, operation: "write"))
            }
        }
    }

    // MARK: - Closing

    /// Sends the queued bytes, then the end of the stream (FIN); reading continues.
    public final func finishWriting() {
        guard state == .open else { return }
        state = .finishing
        if hasFailed { return }
        flushIfCorked()
        disownCork()
        if unsafe outbox == nil { shutDownWriting() }
    }

    /// Half-closes once nothing is queued.
    final func shutDownWritingIfFinishing() {
        if state == .finishing, !hasFailed { shutDownWriting() }
    }

    private final func shutDownWriting() {
        if let transport { return transport.finishSending() }
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Closes at once; bytes that the kernel has not taken are dropped. ``closed()`` follows.
    public final func closeHandle() { closeHandle(reset: false) }

    private final func closeHandle(reset: Bool) {
        guard state != .closed else { return }
        flushIfCorked()
        state = .closed
        isReading = false
        dropUnsent()
        startClosing()
        // libuv doesn't poll it any more.
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        if let transport {
            self.transport = nil
            transport.end(reset: reset)
        }
    }

    /// Whether the kernel holds sent bytes that the peer has not acknowledged. For a closed socket,
    /// the kernel keeps such bytes for minutes, in case the peer comes back.
    public final var isUnacknowledged: Bool { unacknowledgedCount > 0 }

    /// Closes with a reset (RST), which also drops the bytes that the peer has not read.
    public final func resetHandle() {
        guard state != .closed else { return }
        dropUnsent()
        if descriptor >= 0 {
            var abort = linger(l_onoff: 1, l_linger: 0)
            unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        }
        closeHandle(reset: true)
    }
}

// Safety: an open handle keeps its stream alive until the close callback, which libuv never calls
// from within another; so this doesn't retain it.
private let onReady: uv_poll_cb = { handle, status, events in
    let data = unsafe handle!.pointee.data!
    unsafe Unmanaged<Stream>.fromOpaque(data)._withUnsafeGuaranteedRef { stream in
        stream.didPoll(status, events)
    }
}
