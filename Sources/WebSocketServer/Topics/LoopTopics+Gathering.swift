import UVTransport
import WebSocketProtocol

/// Frames of one batch, kept until its end, so that each connection's leave together.
extension LoopTopics {
    /// A frame that a connection is to be sent at the end of the batch.
    @safe
    struct Pending {
        let frame: UnsafeRawBufferPointer
        let payloadCount: Int
        var next: Int32
    }

    /// Bytes of one connection's frames that are gathered, at most, and one frame more.
    static let pendingSizeMax = 32 << 10
    /// In the place of a subscriber's first frame: its messages of this batch are sent already.
    static let isSent: Int32 = -2

    /// Keeps a frame until the end of the batch.
    func gather(
        _ frame: UnsafeRawBufferPointer, _ payloadCount: Int, for subscriber: Subscriber
    ) {
        let place = unsafe Int32(pending.count)
        unsafe pending.append(Pending(frame: frame, payloadCount: payloadCount, next: -1))
        if unsafe subscriber.firstPending < 0 {
            unsafe subscriber.firstPending = place
            unsafe written.append(subscriber)
        } else {
            unsafe pending[Int(subscriber.lastPending)].next = place
        }
        unsafe subscriber.lastPending = place
        unsafe subscriber.pendingSize += frame.count
    }

    /// Sends what the cork holds of the messages to who has a context of its own.
    func sendOwn(_ subscriber: Subscriber, _ connection: ConnectionCore) {
        connection.flushIfCorked()
        if connection.hasOutbox { countUnsent(of: subscriber) }
    }

    /// One connection after the other, so that all its frames leave together.
    func writePending() {
        // What the cork holds for its owner leaves with the owner's frames, if those come first.
        if let loop = unsafe written.first?.connection.loop,
            let owner = loop.corkOwner as? ConnectionCore, let subscriber = unsafe owner.subscriber
        {
            writePending(of: subscriber)
        }
        for index in unsafe written.indices {
            if unsafe index + 1 < written.count {
                unsafe prefetchConnection(of: written[index + 1])
            }
            unsafe writePending(of: written[index])
        }
        unsafe written.removeAll(keepingCapacity: true)
        unsafe pending.removeAll(keepingCapacity: true)
        unsafe frames.removeAll(keepingCapacity: true)
    }

    func writePending(of subscriber: Subscriber) {
        var place = unsafe subscriber.firstPending
        guard place != -1 else { return }
        unsafe subscriber.firstPending = -1
        unsafe subscriber.pendingSize = 0
        let connection = subscriber.connection
        guard connection.stage == .open else { return }
        if place == Self.isSent { return sendOwn(subscriber, connection) }
        while place >= 0 {
            let entry = unsafe pending[Int(place)]
            unsafe connection.sendFrame(entry.frame, payloadCount: entry.payloadCount)
            place = entry.next
        }
        connection.flushIfCorked()
        if connection.hasOutbox { countUnsent(of: subscriber) }
    }
}
