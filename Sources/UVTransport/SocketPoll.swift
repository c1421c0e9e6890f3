import CLibuv
import Glibc

/// A connected socket of a transport, and libuv's poll of it. For its loop's thread.
final class SocketPoll: Handle {
    let descriptor: Int32
    /// The events that libuv polls for.
    private var polled: StreamEvents = []
    /// Unowned, because the transport closes its poll before it goes.
    private unowned let transport: TLSTransport

    /// Takes over a connected descriptor; on an error it is closed.
    init(
        loop: EventLoop, ownedDescriptor descriptor: Int32, transport: TLSTransport
    ) throws(TransportError) {
        self.descriptor = descriptor
        self.transport = transport
        super.init(loop: loop)
        let code = open(polling: descriptor)
        if code < 0 {
            close()
            throw TransportError(code: code, operation: "open a socket")
        }
    }

    /// Polls for other events; for none, it stops.
    func poll(for events: StreamEvents) {
        guard events != polled, !isClosing else { return }
        polled = events
        unsafe uv_poll_start(opened(as: uv_poll_t.self)!, Int32(events.rawValue)) {
            handle, status, events in
            SocketPoll.called(unsafe SocketPoll.of(handle!.pointee.data), status, events)
        }
    }

    private static func called(_ poll: SocketPoll, _ status: Int32, _ events: Int32) {
        var events = StreamEvents(rawValue: UInt8(truncatingIfNeeded: events))
        if status < 0 {
            // libuv has stopped polling. The next call on the socket reports the error.
            poll.polled = []
            events = [.readable, .writable]
        }
        poll.transport.polled(events)
        poll.loop.endTurn()
    }

    /// Closes the socket.
    func close() {
        startClosing()
        // libuv doesn't poll it any more.
        Glibc.close(descriptor)
    }
}
