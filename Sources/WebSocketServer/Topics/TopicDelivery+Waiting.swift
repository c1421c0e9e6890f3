import PubSub

/// Publications and messages that wait for slow consumers.
extension TopicDelivery {
    @inline(never)
    func queue(
        _ publications: ArraySlice<Publication>, of topic: Topic, for subscriber: Subscriber
    ) {
        for publication in publications
        where !queue(publication, of: topic, for: subscriber) { return }
    }

    /// Queues a publication of the batch at hand for a subscriber. Returns false if that was
    /// disconnected.
    @inline(never)
    @discardableResult
    func queue(
        _ publication: Publication, of topic: Topic, for subscriber: Subscriber
    ) -> Bool {
        let waiting: WaitingPublication
        if let made = waitingOfBatch[publication.id] {
            waiting = made
        } else {
            waiting = WaitingPublication(publication, policy: topic.policy, level: topic.level)
            waitingOfBatch[publication.id] = waiting
        }
        return queue(.publication(waiting), for: subscriber)
    }

    /// Queues an item at the end of a subscriber's backlog. Returns false if the subscriber was
    /// disconnected.
    func queue(_ item: Backlog.Item, for subscriber: Subscriber) -> Bool {
        subscriber.withOwner(Consumer.self) { connection in
            let outcome = slow.queue(
                item, for: subscriber, outbox: connection.outbox, evict: evict)
            guard case .disconnect = outcome else { return true }
            connection.dropSlowConsumer()
            return false
        }
    }

    private func evict(_ subscriber: Subscriber) {
        subscriber.withOwner(Consumer.self) { $0.dropSlowConsumer() }
    }

    /// Charges for the bytes of a subscriber's frames that the kernel has not taken.
    @inline(never)
    func chargeUnsent(of subscriber: Subscriber, _ connection: Consumer) {
        let outcome = slow.chargeUnsent(
            of: subscriber, outbox: connection.outbox, evict: evict)
        if case .disconnect = outcome { connection.dropSlowConsumer() }
    }

    /// Sends a subscriber's backlog, until its outbox is above the high-water mark.
    ///
    /// - Parameter all: Whether to send everything, however full the outbox becomes.
    func resume(_ subscriber: Subscriber, all: Bool = false) {
        guard subscriber.hasBacklog else { return }
        subscriber.withOwner(Consumer.self) { connection in
            let queued = connection.outbox.count
            while all || !connection.outbox.isAboveHighWater,
                let item = slow.takeFirst(of: subscriber)
            {
                send(item, to: subscriber, connection)
            }
            connection.flushIfCorked()
            let count = connection.outbox.count
            slow.updateOutboxShare(
                of: subscriber, outboxCount: count, added: max(0, count - queued))
        }
    }

    private func send(
        _ item: Backlog.Item, to subscriber: Subscriber, _ connection: Consumer
    ) {
        switch item {
        case .own(let message, let kind, let compresses):
            connection.sendQueued(message, kind, compresses: compresses)
        case .publication(let waiting):
            deliveries &+= 1
            let publication = waiting.publication
            if subscriber.mode == .ownContext { return connection.sendQueued(publication) }
            // The frame does not depend on other subscribers, so it is made once for all that wait
            // for the publication.
            let encoder = contexts.encoder(
                for: publication, level: waiting.level, standalone: waiting.standaloneFrame)
            let frame = encoder.frame(for: subscriber)
            unsafe connection.appendFrame(frame.bytes, payloadCount: frame.payloadCount)
            waiting.standaloneFrame = encoder.standaloneFrameIfMade
        }
    }
}
