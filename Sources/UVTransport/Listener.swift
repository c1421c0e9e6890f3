import CLibuv
import Glibc

/// One listening socket polled by one loop.
///
/// It calls `accept4` itself instead of using `uv_listen`, so that it gets the peer's address for
/// free, can hand the descriptor to another loop, and can back off when descriptors run out: the
/// clients then wait in the kernel's queue.
package final class Listener: Handle {
    /// The most connections accepted in one turn, so that other events are handled.
    private static let acceptsPerTurn = 64
    /// The pause after an accept that failed for want of descriptors or memory.
    private static let backOffMilliseconds: UInt64 = 100

    package let address: SocketAddress
    let descriptor: Int32
    private let onAccept: (_ ownedDescriptor: Int32, SocketAddress) -> Void
    private let onError: (TransportError) -> Void

    /// Starts accepting on the loop. `onAccept` owns the descriptor it is given; `onError` is
    /// called for failed accepts, at most once in a back-off. On the loop's thread.
    ///
    /// The listener owns the socket's descriptor from this call on, even if it throws.
    package init(
        loop: EventLoop, socket: ListeningSocket,
        onAccept: @escaping (_ ownedDescriptor: Int32, SocketAddress) -> Void,
        onError: @escaping (TransportError) -> Void
    ) throws(TransportError) {
        self.address = socket.address
        self.descriptor = socket.descriptor
        self.onAccept = onAccept
        self.onError = onError
        super.init(loop: loop)
        let code = open(polling: descriptor)
        if code < 0 {
            close()
            throw TransportError(code: code, operation: "poll a listening socket")
        }
        startPolling()
    }

    private func startPolling() {
        unsafe uv_poll_start(opened(as: uv_poll_t.self)!, Int32(UV_READABLE.rawValue)) {
            handle, _, _ in
            let listener = unsafe Listener.of(handle!.pointee.data)
            listener.acceptWaiting()
            listener.loop.endTurn()
        }
    }

    private func acceptWaiting() {
        for _ in 0..<Self.acceptsPerTurn where !isClosing {
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
                // accept(2): errors of this connection or of the network; the next may succeed.
                continue
            default:
                backOff(.lastSystemError("accept on \(address)"))
                return
            }
        }
    }

    private func backOff(_ error: TransportError) {
        unsafe uv_poll_stop(opened(as: uv_poll_t.self)!)
        loop.schedule(self, at: loop.now + Self.backOffMilliseconds)
        onError(error)
    }

    package override func deadlinePassed(now: UInt64) {
        if !isClosing { startPolling() }
    }

    /// Stops accepting, and closes the socket.
    package func close() { startClosing() }

    package override func closed() { Glibc.close(descriptor) }
}
