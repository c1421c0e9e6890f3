import PubSub
import UVTransport

/// One loop's part of topics: subscriptions, and the delivery of publications in its turns. For
/// that loop's thread.
final class LoopTopics {
    let hub: Hub
    let broker: any Broker
    /// Called with the broker's result of each publication of a connection; set before there are
    /// any.
    var onPublishResult: (@Sendable (BrokerError?) -> Void)?
    let delivery: TopicDelivery<ConnectionCore>
    private var options: TopicConfiguration
    private let deflater: PublicationDeflater
    private let number: Int
    private let codecs: LoopCodecs
    private var subscriptions = 0
    /// The publications taken from the hub; those before ``nextArrived`` have been delivered.
    private var arrived: [Publication] = []
    private var nextArrived = 0
    /// The publications that are being delivered; empty between batches.
    private var batch: [Publication] = []
    /// Whether the rest of ``arrived`` is delivered in a later turn.
    private(set) var isDeliveryDue = false

    init(
        number: Int, hub: Hub, broker: any Broker, options: TopicConfiguration, budget: ByteBudget,
        compression: Compression, codecs: LoopCodecs
    ) {
        self.number = number
        self.hub = hub
        self.broker = broker
        self.options = options
        self.codecs = codecs
        let deflater = PublicationDeflater(compression, codecs: codecs)
        self.deflater = deflater
        delivery = TopicDelivery(
            contexts: unsafe SharedContexts(
                windowBits: compression.serverWindowBits, deflate: deflater.deflate),
            slow: SlowConsumers(budget: budget))
    }

    var counts: TopicCounts {
        var counts = delivery.counts
        counts.subscriptions = subscriptions
        return counts
    }

    /// Takes over other options, after a reload. Publications that wait keep their policies. The
    /// window of shared contexts stays, because connections have agreed to it.
    func replaceOptions(_ options: TopicConfiguration, compression: Compression) {
        let changesPolicies =
            options.rules != self.options.rules
            || options.slowSubscribers != self.options.slowSubscribers
        self.options = options
        deflater.compression = compression
        guard changesPolicies else { return }
        for topic in delivery.table.all { topic.policy = options.policy(of: topic.name) }
    }

    // MARK: - Subscribing

    func subscribe(_ subscriber: Subscriber, to name: String) -> Connection.SubscribeOutcome {
        guard options.isValidName(name) else { return .invalidName }
        if subscriber.memberships.count >= options.perConnectionMax {
            let isMember = delivery.table[name].flatMap(subscriber.index) != nil
            return isMember ? .alreadySubscribed : .tooMany
        }
        let policy = options.policy(of: name)
        guard let isFirst = delivery.table.subscribe(subscriber, to: name, policy: policy)
        else { return .alreadySubscribed }
        if isFirst { hub.add(number, to: name) { broker.subscribe(to: name) } }
        subscriptions += 1
        return .subscribed
    }

    func unsubscribe(_ subscriber: Subscriber, from name: String) {
        guard let isLast = delivery.table.unsubscribe(subscriber, from: name) else { return }
        subscriptions -= 1
        if isLast { removeFromHub(name) }
    }

    /// Ends all subscriptions of a connection that is over.
    func leave(_ subscriber: Subscriber) {
        subscriptions -= subscriber.memberships.count
        for name in delivery.table.leave(subscriber) { removeFromHub(name) }
        delivery.slow.forget(subscriber, andOutbox: true)
        subscriber.context = nil
    }

    private func removeFromHub(_ name: String) {
        hub.remove(number, from: name) { broker.unsubscribe(from: name) }
    }

    var topics: [TopicStatistics] {
        delivery.table.all.map { TopicStatistics(name: $0.name, subscribers: $0.entries.count) }
    }

    // MARK: - Delivering

    /// The nanoseconds that a turn may deliver before other connections have theirs.
    private static let nanosecondsMax: UInt64 = 4_000_000
    /// The number of frames that may be gathered at once, approximately.
    private static let gatheredMax = 65_536
    /// The limits of a batch's size: its publications, and the bytes of those before the last.
    private static let batchSizes = 64...1_024
    private static let batchBytesMax = 512 << 10

    /// Delivers publications for as long as a turn may take; the rest follows in later turns.
    func deliver() {
        // The later turn takes all publications that have arrived until then.
        guard !isDeliveryDue else { return }
        hub.take(for: number, into: &arrived)
        deliverArrived()
    }

    /// Delivers the publications that an earlier turn has left, and those that have arrived since.
    func deliverRest() {
        isDeliveryDue = false
        if nextArrived > arrived.count / 2 {
            arrived.removeFirst(nextArrived)
            nextArrived = 0
        }
        hub.take(for: number, behind: &arrived)
        deliverArrived()
    }

    private func deliverArrived() {
        var began: UInt64 = 0
        while nextArrived < arrived.count {
            if began > 0, codecs.now() &- began > Self.nanosecondsMax { return deliverLater() }
            let end = endOfBatch()
            if end < arrived.count, began == 0 { began = codecs.now() }
            batch.append(contentsOf: arrived[nextArrived..<end])
            nextArrived = end
            delivery.deliver(batch)
            hub.delivered(batch.reduce(0) { $0 + $1.sizeInMemory })
            batch.removeAll(keepingCapacity: true)
        }
        arrived.removeAll(keepingCapacity: true)
        nextArrived = 0
    }

    /// Returns the end of the next batch in ``arrived``, so that neither the frames gathered for it
    /// nor their bytes are many.
    private func endOfBatch() -> Int {
        let most = Self.gatheredMax / max(1, subscriptions)
        let count = min(max(most, Self.batchSizes.lowerBound), Self.batchSizes.upperBound)
        let last = min(nextArrived + count, arrived.count)
        var (end, size) = (nextArrived, 0)
        while end < last, size < Self.batchBytesMax {
            size += arrived[end].sizeInMemory
            end += 1
        }
        return end
    }

    private func deliverLater() {
        isDeliveryDue = hub.deliverLater(on: number)
        guard !isDeliveryDue else { return }
        // The loop has stopped, and has no connections any more.
        for publication in arrived[nextArrived...] { hub.delivered(publication.sizeInMemory) }
        arrived = []
        nextArrived = 0
    }
}
