import PubSub
import UVTransport
import WebSocketProtocol

/// The writing half of topics: how publications are sent to a connection.
extension ConnectionCore: SubscriberConnection {
    /// Returns the connection's subscriber, which its first subscription creates.
    func makeSubscriber() -> Subscriber {
        if let subscriber { return subscriber }
        let made = Subscriber(
            owner: self, mode: compression?.topicMode ?? .plain,
            threshold: compression?.threshold ?? 0,
            windowBits: compression?.sendWindowBits ?? 15,
            level: compression?.level ?? 1)
        subscriber = made
        return made
    }

    /// Discards the connection's backlog, and its share of the budget if its outbox is discarded
    /// too.
    func forgetBacklog(andOutbox: Bool = false) {
        if let subscriber {
            resources.topics?.delivery.slow.forget(subscriber, andOutbox: andOutbox)
        }
    }

    var takesMessages: Bool { stage == .open }

    var outbox: SlowConsumers.Outbox {
        SlowConsumers.Outbox(
            count: outboxCount, max: options.outboxMax, highWater: options.outboxHighWater)
    }

    var corkOwner: Subscriber? { (loop.corkOwner as? ConnectionCore)?.subscriber }

    func writeFrames(_ frames: UnsafeRawBufferPointer, count: Int, payloadCount: Int) {
        self.count(messages: count, payloadCount: payloadCount)
        lifecycle.sentMessage(now: loop.now)
        unsafe writeNow(frames)
    }

    func appendFrame(_ frame: UnsafeRawBufferPointer, payloadCount: Int) {
        count(messages: 1, payloadCount: payloadCount)
        lifecycle.sentMessage(now: loop.now)
        if frame.count >= Self.gatherSizeMin {
            unsafe write(
                header: UnsafeRawBufferPointer(rebasing: frame[..<2]),
                payload: UnsafeRawBufferPointer(rebasing: frame[2...]))
        } else if let place = unsafe append(frame.count) {
            unsafe place.copyMemory(from: frame.baseAddress!, byteCount: frame.count)
        }
    }

    func sendMessage(_ publication: Publication) {
        _ = unsafe sendMessage(publication.payload, publication.kind)
    }

    func sendQueued(_ publication: Publication) {
        count(messages: 1, payloadCount: publication.payloadCount)
        _ = unsafe sendNow(publication.payload, publication.kind, compresses: true)
    }

    func sendQueued(_ message: [UInt8], _ kind: MessageKind, compresses: Bool) {
        // It was counted when it was sent.
        unsafe message.withUnsafeBytes {
            _ = unsafe sendNow($0, kind, compresses: compresses)
        }
    }

    @inline(__always)
    private func count(messages: Int, payloadCount: Int) {
        let counts = unsafe messageCounts
        unsafe counts.pointee.messagesSent &+= UInt64(messages)
        unsafe counts.pointee.bytesSent &+= UInt64(payloadCount)
    }
}

extension ByteBudget: BacklogBudget {}
