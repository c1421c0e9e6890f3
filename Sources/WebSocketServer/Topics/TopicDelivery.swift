import PubSub
import UVTransport

/// One loop's topics, and the delivery of publications to their subscribers.
///
/// It knows no socket, loop or broker, so that tests can replace each connection by a list. The
/// frames of a batch of several publications leave together for each connection: as runs
/// (``PublicationRuns``) for the subscribers that are sent the same bytes, and gathered
/// (``FrameBatch``) for all others.
final class TopicDelivery<Consumer: SubscriberConnection> {
    let contexts: SharedContexts
    let slow: SlowConsumers
    var table = TopicTable()
    /// The number of publications that reached a topic here.
    private var publicationCount: UInt64 = 0
    /// The publications of the batch at hand that wait for a subscriber, by their ids.
    var waitingOfBatch: [UInt64: WaitingPublication] = [:]

    var runs = PublicationRuns()
    var deliveries: UInt64 = 0
    // Safety: each delivery of a batch changes them, so there are no checks for exclusive access. No
    // function of theirs calls back.
    @exclusivity(unchecked) private var storedFrames = FrameBatch()

    @inline(__always) private var frames: FrameBatch {
        _read { yield unsafe storedFrames }
        _modify { yield unsafe &storedFrames }
    }

    init(contexts: SharedContexts, slow: SlowConsumers) {
        self.contexts = contexts
        self.slow = slow
    }

    /// The counts so far, without subscriptions.
    var counts: TopicCounts {
        var counts = TopicCounts()
        counts.publications = publicationCount
        counts.deliveries = deliveries
        (counts.delayed, counts.dropped) = (slow.delayed, slow.dropped)
        counts.conflated = slow.conflated
        return counts
    }

    /// The number of topics, contexts and backlogs; 0 once all connections are gone.
    var leftovers: Int {
        table.count + slow.count + contexts.liveContexts + contexts.livePublications
    }

    // MARK: - Delivering

    /// Sends publications to the subscribers of their topics, or queues them for those whose
    /// outboxes are not empty.
    func deliver(_ batch: [Publication]) {
        let gathers = batch.count > 1
        let modesInRuns = gathers ? deliverInRuns(batch) : .none
        for publication in batch {
            guard let topic = table[publication.topic] else { continue }
            publicationCount &+= 1
            if modesInRuns == .allButOwnContext, topic.count(of: .ownContext) == 0 { continue }
            deliver(publication, on: topic, gathers: gathers, except: modesInRuns)
        }
        if gathers { flushAll() }
        if !waitingOfBatch.isEmpty { waitingOfBatch.removeAll() }
    }

    /// - Parameter modesInRuns: The modes whose subscribers have been sent the publication in runs.
    private func deliver(
        _ publication: Publication, on topic: Topic, gathers: Bool,
        except modesInRuns: EncodingModes
    ) {
        // A subscriber that joins or leaves meanwhile changes the topic's list, but not this copy.
        let entries = topic.entries
        if topic.count(of: .shared) > 1, !modesInRuns.contains(.shared) {
            let encoder = contexts.encoder(for: publication, level: topic.level) { readers in
                for index in entries.indices {
                    prefetchNext(entries, after: index)
                    unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                        if subscriber.mode == .shared, takesNow(subscriber) {
                            readers.add(subscriber.context)
                        }
                    }
                }
            }
            send(publication, of: topic, to: entries, encoder, gathers, except: modesInRuns)
        } else {
            let encoder = contexts.encoder(for: publication, level: topic.level)
            send(publication, of: topic, to: entries, encoder, gathers, except: modesInRuns)
        }
    }

    private func send(
        _ publication: Publication, of topic: Topic, to entries: ContiguousArray<Topic.Entry>,
        _ encoder: borrowing PublicationEncoder, _ gathers: Bool, except modesInRuns: EncodingModes
    ) {
        for index in entries.indices {
            prefetchNext(entries, after: index)
            unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                if modesInRuns.contains(subscriber.mode) { return }
                subscriber.withOwner(Consumer.self) { connection in
                    send(publication, of: topic, to: subscriber, connection, encoder, gathers)
                }
            }
        }
    }

    @inline(__always)
    private func send(
        _ publication: Publication, of topic: Topic, to subscriber: Subscriber,
        _ connection: Consumer, _ encoder: borrowing PublicationEncoder, _ gathers: Bool
    ) {
        guard connection.takesMessages else { return }
        // Whether a consumer is slow shows only once its frames have been written.
        if subscriber.pending.isFull {
            flush(subscriber, connection)
            guard connection.takesMessages else { return }
        }
        guard isReady(subscriber, connection) else {
            queue(publication, of: topic, for: subscriber)
            return
        }
        deliveries &+= 1
        if subscriber.mode == .ownContext {
            connection.sendMessage(publication)
            if gathers {
                frames.addCorked(subscriber)
            } else {
                flush(connection, subscriber)
            }
            return
        }
        let frame = encoder.frame(for: subscriber)
        if gathers {
            frames.add(frame, for: subscriber)
        } else {
            // The bytes are valid as long as the encoder.
            unsafe connection.writeFrames(
                frame.bytes, count: 1, payloadCount: frame.payloadCount)
            if connection.hasOutbox { chargeUnsent(of: subscriber, connection) }
        }
    }

    /// Returns whether a subscriber can be sent new publications now.
    @inline(__always)
    func takesNow(_ subscriber: Subscriber) -> Bool {
        subscriber.withOwner(Consumer.self) { connection in
            connection.takesMessages && isReady(subscriber, connection)
        }
    }

    /// Returns whether nothing is queued for a subscriber, so that a frame is really written.
    @inline(__always)
    func isReady(_ subscriber: Subscriber, _ connection: Consumer) -> Bool {
        !connection.hasOutbox && !subscriber.hasBacklog
    }

    // MARK: - Frames of a batch

    /// Writes the frames of the batch, one connection after the other.
    private func flushAll() {
        // The messages in the cork leave together with their owner's frames, if those come first.
        if let first = frames.subscribersToFlush.first,
            let owner = first.withOwner(Consumer.self, { $0.corkOwner })
        {
            owner.withOwner(Consumer.self) { flush(owner, $0) }
        }
        let subscribers = frames.subscribersToFlush
        for index in subscribers.indices {
            if index + 1 < subscribers.count { prefetchConnection(of: subscribers[index + 1]) }
            subscribers[index].withOwner(Consumer.self) { flush(subscribers[index], $0) }
        }
        frames.removeAll()
    }

    /// Writes the frames that the batch holds for a subscriber.
    private func flush(_ subscriber: Subscriber, _ connection: Consumer) {
        switch FrameBatch.take(for: subscriber) {
        case .none: return
        case .corked:
            if connection.takesMessages { flush(connection, subscriber) }
        case .frames(let first, _, _):
            guard connection.takesMessages else { return }
            var next: Int32? = first
            while let place = next {
                let entry = frames[place]
                unsafe connection.appendFrame(entry.bytes, payloadCount: entry.payloadCount)
                next = entry.next
            }
            flush(connection, subscriber)
        }
    }

    /// Sends the messages of a connection that are in the cork.
    private func flush(_ connection: Consumer, _ subscriber: Subscriber) {
        connection.flushIfCorked()
        if connection.hasOutbox { chargeUnsent(of: subscriber, connection) }
    }

    // MARK: - Prefetching

    /// Makes the processor fetch the next subscribers while the kernel takes a frame for this one.
    /// None of a thousand subscribers is still in its caches, and each would be a wait for memory.
    @inline(__always)
    func prefetchNext(_ entries: ContiguousArray<Topic.Entry>, after index: Int) {
        if index + 2 < entries.count {
            unsafe prefetch(
                entries[index + 2].subscriber.toOpaque(), count: DeliveryPrefetch.subscriberSize)
        }
        if index + 1 < entries.count {
            unsafe entries[index + 1].subscriber._withUnsafeGuaranteedRef {
                prefetchConnection(of: $0)
            }
        }
    }

    @inline(__always)
    func prefetchConnection(of subscriber: Subscriber) {
        if let address = unsafe subscriber.ownerAddress {
            unsafe prefetch(address, count: DeliveryPrefetch.connectionSize)
        }
    }
}

/// The bytes of the objects that a delivery reads, approximately; for the processor's caches only.
private enum DeliveryPrefetch {
    static let subscriberSize = 128
    static let connectionSize = 320
}
