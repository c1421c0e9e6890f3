import CLibuv
import Glibc

/// One listening socket polled by one loop.
///
/// It accepts by itself instead of by `uv_listen`, so that it knows the peer's address for free,
/// can hand the descriptor to another loop, and can back off when descriptors run out: the
/// clients then wait in the kernel's queue.
// Safety: it owns its handle until the close callback.
@safe
public final class Listener: TimerEntry {
    /// Connections accepted in one turn before others get theirs.
    private static let acceptsPerTurn = 64
    /// Rest after an accept failed for want of descriptors or memory.
    private static let backOffMilliseconds: UInt64 = 100

    public let loop: EventLoop
    public let address: SocketAddress
    private let descriptor: Int32
    private let poll: UnsafeMutablePointer<uv_poll_t>
    private let onAccept: (_ ownedDescriptor: Int32, SocketAddress) -> Void
    private let onError: (TransportError) -> Void
    private var isClosed = false

    /// Starts accepting on the loop. `onAccept` owns the descriptor it is given; `onError` hears
    /// of failed accepts, at most once a back-off. On the loop's thread.
    public init(
        loop: EventLoop, socket: ListeningSocket,
        onAccept: @escaping (_ ownedDescriptor: Int32, SocketAddress) -> Void,
        onError: @escaping (TransportError) -> Void
    ) throws(TransportError) {
        self.loop = loop
        self.address = socket.address
        self.descriptor = socket.descriptor
        self.onAccept = onAccept
        self.onError = onError
        unsafe poll = .allocate(capacity: 1)
        super.init()
        let code = unsafe uv_poll_init(loop.uv, poll, descriptor)
        if code < 0 {
            unsafe poll.deallocate()
            throw TransportError(code: code, operation: "poll a listening socket")
        }
        loop.openHandles += 1
        unsafe poll.pointee.data = unsafe Unmanaged.passRetained(self).toOpaque()
        startPolling()
    }

    private func startPolling() {
        unsafe uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { handle, _, _ in
            let listener = unsafe Unmanaged<Listener>.fromOpaque(handle!.pointee.data)
                .takeUnretainedValue()
            listener.acceptWaiting()
            listener.loop.endTurn()
        }
    }

    private func acceptWaiting() {
        for _ in 0..<Self.acceptsPerTurn where !isClosed {
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let accepted = unsafe withUnsafeMutablePointer(to: &peer) {
                unsafe accept4(
                    descriptor, UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self),
                    &length, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            }
            if accepted >= 0 {
                onAccept(accepted, address.family == .unix ? .unix : SocketAddress(peer))
                continue
            }
            switch errno {
            case EAGAIN: return
            case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH,
                EOPNOTSUPP, ENETUNREACH, EPERM:
                // accept(2): errors of the connection itself, or of the network; the next may do.
                continue
            default:
                backOff(.lastSystemError("accept on \(address)"))
                return
            }
        }
    }

    private func backOff(_ error: TransportError) {
        unsafe uv_poll_stop(poll)
        loop.schedule(self, at: loop.now + Self.backOffMilliseconds)
        onError(error)
    }

    public override func deadlinePassed(now: UInt64) {
        if !isClosed { startPolling() }
    }

    /// Stops accepting; the socket is the ``ListeningSocket``'s to close.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.cancel(self)
        unsafe uv_close(UnsafeMutableRawPointer(poll).assumingMemoryBound(to: uv_handle_t.self)) {
            handle in
            let listener = unsafe Unmanaged<Listener>.fromOpaque(handle!.pointee.data)
                .takeRetainedValue()
            listener.loop.openHandles -= 1
            unsafe listener.poll.deallocate()
            Glibc.close(listener.descriptor)
        }
    }
}
