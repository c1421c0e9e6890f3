import CLibuv

/// The carrier of a stream's bytes in place of a socket: a filter such as TLS in front of one, or a
/// connection in memory.
///
/// It is level-triggered: while the stream wants events that the transport is ready for, the stream
/// is called back in each turn. Calls return what the system's would: a count, or a negative error
/// code of libuv. For its loop's thread.
open class StreamTransport {
    /// The events that the stream waits for.
    final var wanted: StreamEvents = [] {
        didSet {
            wantedChanged()
            if !wanted.isDisjoint(with: ready) { signal() }
        }
    }
    final private(set) var stream: Stream?
    private final var isSignalled = false

    public init() {}

    final func attach(to stream: Stream) {
        self.stream = stream
        attached()
    }

    // MARK: - For subclasses of this module

    /// Called when the transport has got its stream, whose loop it is on.
    func attached() {}

    /// Called in the turn that ``signal()`` has asked for.
    func signalled() {}

    /// Called when ``wanted`` has changed.
    func wantedChanged() {}

    /// Returns the number of bytes taken of several parts, or an error, as ``send(_:)`` does.
    func send(parts: UnsafeMutableBufferPointer<iovec>) -> Int {
        var taken = 0
        for index in parts.indices where unsafe parts[index].iov_len > 0 {
            let part = unsafe parts[index]
            let count = unsafe send(
                UnsafeRawBufferPointer(start: part.iov_base, count: part.iov_len))
            // An error after a part was taken is found by the next call.
            if count < 0 { return taken > 0 ? taken : count }
            taken += count
            if unsafe count < part.iov_len { break }
        }
        return taken
    }

    // MARK: - For subclasses

    /// The events that the transport is ready for now. When further ones come, the subclass calls
    /// ``signal()``.
    open var ready: StreamEvents { [] }

    /// Returns the number of bytes written to `buffer`, 0 at the end of the stream, or an error:
    /// `UV_EAGAIN` if there are none yet.
    open func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int { 0 }

    /// Returns the number of bytes taken, which may be fewer than given, or an error: `UV_EAGAIN`
    /// if there is no room. The next call begins with the bytes that were not taken.
    open func send(_ bytes: UnsafeRawBufferPointer) -> Int { Int(UV_EPIPE.rawValue) }

    /// Sends the end of the stream after the bytes that were taken.
    open func finishSending() {}

    /// Called once, when the stream is closed. With `reset`, the peer learns of an error.
    open func close(reset: Bool) {}

    /// The number of taken bytes that the peer has not acknowledged.
    open var unacknowledgedCount: Int { 0 }

    /// The number of bytes that the peer has acknowledged so far; `nil` if that isn't known.
    open var acknowledgedCount: Int? { nil }

    /// The bytes of memory that hold received bytes which can't be read yet.
    open var heldSize: Int { 0 }

    /// Makes the loop check ``ready`` in a later turn.
    public final func signal() {
        guard !isSignalled, let stream else { return }
        isSignalled = true
        stream.loop.signal(self)
    }

    // MARK: - For the stream and its loop

    /// Begins the turn that ``signal()`` has asked for.
    final func signalDue() {
        isSignalled = false
        signalled()
        dispatch()
    }

    /// Calls the stream back if it wants an event that has come.
    final func dispatch() {
        guard let stream else { return }
        let events = wanted.intersection(ready)
        guard !events.isEmpty else { return }
        stream.didPoll(0, Int32(events.rawValue))
        // Unread bytes, or further room, are an event again.
        if !wanted.isDisjoint(with: ready) { signal() }
    }

    final func end(reset: Bool) {
        wanted = []
        stream = nil
        close(reset: reset)
    }
}

/// Events that a stream waits for: bits of `uv_poll_event`.
public struct StreamEvents: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let readable = StreamEvents(rawValue: UInt8(UV_READABLE.rawValue))
    public static let writable = StreamEvents(rawValue: UInt8(UV_WRITABLE.rawValue))
}

extension EventLoop {
    /// Makes a transport check for events in a later turn.
    func signal(_ transport: StreamTransport) {
        signalled.append(transport)
        wake()
    }

    func dispatchSignals() {
        let due = signalled
        signalled = []
        for transport in due { transport.signalDue() }
    }
}

extension Stream {
    /// Sends and receives by a transport from now on, and starts reading.
    public final func adopt(_ transport: StreamTransport) {
        precondition(isOpen && descriptor < 0 && self.transport == nil)
        self.transport = transport
        transport.attach(to: self)
        startPolling()
    }

    /// The bytes of memory in which the transport holds received bytes; 0 for plain sockets.
    public final var transportHeldSize: Int { transport?.heldSize ?? 0 }

    @inline(never)
    final func receiveByTransport(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        unsafe transport?.receive(into: buffer) ?? Int(UV_EBADF.rawValue)
    }

    @inline(never)
    final func deliverByTransport(_ bytes: UnsafeRawPointer, _ count: Int) -> Int {
        unsafe transport?.send(UnsafeRawBufferPointer(start: bytes, count: count))
            ?? Int(UV_EBADF.rawValue)
    }

    @inline(never)
    final func deliverByTransport(_ parts: UnsafeMutableBufferPointer<iovec>) -> Int {
        unsafe transport?.send(parts: parts) ?? Int(UV_EBADF.rawValue)
    }
}
