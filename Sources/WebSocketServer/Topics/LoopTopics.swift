import UVTransport
import WebSocketProtocol

/// One loop's part of topics: its subscribers, and the delivery of what is published to them.
/// For that loop's thread.
// Safety: frames that are pending are kept by `frames` and `batch` until they are written.
@safe
final class LoopTopics {
    /// Bytes of the objects that a delivery looks at, about: for the processor's caches alone.
    private static let (subscriberSize, connectionSize) = (128, 320)

    let hub: Hub
    let broker: any Broker
    /// Hears of each publication of a connection; set before there are any.
    var onAnswer: (@Sendable (BrokerError?) -> Void)?
    let options: TopicOptions
    private let number: Int
    let budget: ByteBudget
    let encodings: SharedContexts
    let deflater: PublicationDeflater
    @exclusivity(unchecked) var counts = TopicCounts()
    @exclusivity(unchecked) var waiting = WaitingSubscribers()
    private(set) var table = TopicTable()
    /// What is being delivered.
    private(set) var batch: [Publication] = []
    /// What has been taken from the hub; those before ``nextArrived`` have been delivered.
    private var arrived: [Publication] = []
    private var nextArrived = 0
    /// The rest of ``arrived`` is delivered in a later turn.
    private(set) var isDeliveryDue = false
    /// Those of the batch for which someone has to wait, by their ids.
    @exclusivity(unchecked) var waitingOfBatch: [UInt64: WaitingPublication] = [:]
    @exclusivity(unchecked) var pending: [Pending] = []
    @exclusivity(unchecked) var written: [Subscriber] = []
    /// Keeps the frames of a batch until they are written.
    @exclusivity(unchecked) var frames: [SharedFrame] = []
    /// Where a batch of one topic is sent from.
    @exclusivity(unchecked) var runs: [Run] = []

    init(
        number: Int, hub: Hub, broker: any Broker, options: TopicOptions, budget: ByteBudget,
        compression: Compression, codecs: LoopCodecs
    ) {
        self.number = number
        self.hub = hub
        self.broker = broker
        self.options = options
        self.budget = budget
        let deflater = PublicationDeflater(compression, codecs: codecs)
        self.deflater = deflater
        encodings = unsafe SharedContexts(windowBits: compression.serverWindowBits) {
            payload, history, windowBits in
            unsafe deflater.deflate(payload, after: history, windowBits: windowBits)
        }
    }

    // MARK: - Subscribing

    func subscribe(_ subscriber: Subscriber, to name: String) -> Connection.SubscribeOutcome {
        guard options.isValidName(name) else { return .invalidName }
        if subscriber.memberships.count >= options.perConnectionMax {
            let isMember = table[name].flatMap(subscriber.index) != nil
            return isMember ? .alreadySubscribed : .tooMany
        }
        let policy = options.policy(of: name)
        guard let isFirst = table.subscribe(subscriber, to: name, policy: policy)
        else { return .alreadySubscribed }
        if isFirst { hub.add(number, to: name) { broker.subscribe(to: name) } }
        unsafe counts.subscriptions += 1
        return .subscribed
    }

    func unsubscribe(_ subscriber: Subscriber, from name: String) -> Bool {
        guard let isLast = table.unsubscribe(subscriber, from: name) else { return false }
        unsafe counts.subscriptions -= 1
        if isLast { emptied(name) }
        return true
    }

    /// The connection is over.
    func leave(_ subscriber: Subscriber) {
        unsafe counts.subscriptions -= subscriber.memberships.count
        for name in table.leave(subscriber) { emptied(name) }
        forget(subscriber, andOutbox: true)
        unsafe subscriber.context = nil
    }

    private func emptied(_ name: String) {
        hub.remove(number, from: name) { broker.unsubscribe(from: name) }
    }

    var topics: [TopicStatistics] {
        table.all.map { TopicStatistics(name: $0.name, subscribers: $0.entries.count) }
    }

    /// What is left when all connections are gone: nothing.
    var leftovers: Int {
        unsafe table.count + waiting.count + encodings.liveContexts + encodings.livePublications
    }

    // MARK: - Delivering

    /// Nanoseconds that a turn delivers before others have theirs.
    private static let nanosecondsMax: UInt64 = 4_000_000
    /// Frames that may be gathered at once, about, and the publications of a batch.
    private static let gatheredMax = 65_536
    private static let batchSizes = 64...1_024
    /// Bytes of a batch's publications before the last.
    private static let batchBytesMax = 512 << 10

    /// Takes what has been published and sends it to this loop's subscribers, as far as a turn may
    /// take; the rest in later turns.
    func deliver() {
        // The turn to come takes what has been published since, too.
        guard !isDeliveryDue else { return }
        hub.take(for: number, into: &arrived)
        deliverArrived()
    }

    /// Goes on with what an earlier turn has left, and with what has been published since.
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
            if began > 0, LoopCodecs.now() &- began > Self.nanosecondsMax { return deliverLater() }
            let end = endOfBatch()
            if end < arrived.count, began == 0 { began = LoopCodecs.now() }
            batch.append(contentsOf: arrived[nextArrived..<end])
            nextArrived = end
            deliverBatch()
        }
        arrived.removeAll(keepingCapacity: true)
        nextArrived = 0
    }

    /// The end of the next batch in `arrived`: so that neither the frames that are gathered for it
    /// nor their bytes are many.
    private func endOfBatch() -> Int {
        let most = unsafe Self.gatheredMax / max(1, counts.subscriptions)
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

    private func deliverBatch() {
        let gathers = batch.count > 1
        let inRuns = gathers ? deliverRuns() : .none
        for publication in batch {
            if let topic = table[publication.topic] {
                unsafe counts.publications &+= 1
                if inRuns.isAll, topic.own == 0 { continue }
                deliver(publication, on: topic, gathers: gathers, inRuns: inRuns)
            }
        }
        if gathers { writePending() }
        hub.delivered(batch.reduce(0) { $0 + $1.sizeInMemory })
        batch.removeAll(keepingCapacity: true)
        if unsafe !waitingOfBatch.isEmpty { unsafe waitingOfBatch.removeAll() }
    }

    /// - Parameter inRuns: who has it already.
    private func deliver(
        _ publication: Publication, on topic: LoopTopic, gathers: Bool, inRuns: RunModes
    ) {
        // Who subscribes or leaves meanwhile changes the list, and not this copy of it.
        let entries = topic.entries
        let shares = topic.sharing > 1 && !inRuns.includes(.shared)
        deflater.level = topic.level
        encodings.begin(publication)
        if shares {
            for index in entries.indices {
                prefetchNext(entries, behind: index)
                unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                    if subscriber.mode == .shared, takesNow(subscriber) {
                        unsafe encodings.count(subscriber.context)
                    }
                }
            }
            encodings.plan()
        }
        for index in entries.indices {
            prefetchNext(entries, behind: index)
            unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                if inRuns.includes(subscriber.mode) { return }
                subscriber.withConnection { connection in
                    deliver(publication, to: subscriber, connection, topic, shares, gathers)
                }
            }
        }
        encodings.end()
        if !gathers { unsafe frames.removeAll(keepingCapacity: true) }
    }

    /// Has the processor fetch the next subscribers while the kernel takes a frame for this one:
    /// of a thousand none is in its caches any more, and each would be a wait for memory.
    @inline(__always)
    func prefetchNext(_ entries: ContiguousArray<LoopTopic.Entry>, behind index: Int) {
        if index + 2 < entries.count {
            unsafe prefetch(entries[index + 2].subscriber.toOpaque(), count: Self.subscriberSize)
        }
        if index + 1 < entries.count {
            unsafe entries[index + 1].subscriber._withUnsafeGuaranteedRef {
                prefetchConnection(of: $0)
            }
        }
    }

    @inline(__always)
    func prefetchConnection(of subscriber: Subscriber) {
        if let address = unsafe subscriber.connectionAddress {
            unsafe prefetch(address, count: Self.connectionSize)
        }
    }

    /// Whether it is sent what is published now.
    @inline(__always)
    func takesNow(_ subscriber: Subscriber) -> Bool {
        subscriber.withConnection { connection in
            guard connection.stage == .open else { return false }
            return isReady(subscriber, connection)
        }
    }

    /// Nothing is queued for it: what it is sent now is really written.
    @inline(__always)
    func isReady(_ subscriber: Subscriber, _ connection: ConnectionCore) -> Bool {
        unsafe !connection.hasOutbox && subscriber.backlog.isEmpty
    }

    @inline(__always)
    private func deliver(
        _ publication: Publication, to subscriber: Subscriber, _ connection: ConnectionCore,
        _ topic: LoopTopic, _ shares: Bool, _ gathers: Bool
    ) {
        guard connection.stage == .open else { return }
        // Only what has been written shows whether it is slow.
        if unsafe subscriber.pendingSize > Self.pendingSizeMax {
            writePending(of: subscriber)
            guard connection.stage == .open else { return }
        }
        guard isReady(subscriber, connection) else {
            wait(publication, of: topic, for: subscriber)
            return
        }
        unsafe counts.deliveries &+= 1
        if subscriber.mode == .own {
            _ = unsafe connection.sendMessage(publication.payload, publication.kind)
            if !gathers {
                sendOwn(subscriber, connection)
            } else if unsafe subscriber.firstPending != Self.isSent {
                unsafe subscriber.firstPending = Self.isSent
                unsafe written.append(subscriber)
            }
            return
        }
        let frame = unsafe encode(publication, for: subscriber, shares: shares)
        if gathers {
            unsafe gather(frame, publication.payloadCount, for: subscriber)
        } else {
            unsafe connection.sendFrames(
                frame, count: 1, payloadCount: publication.payloadCount)
            if connection.hasOutbox { countUnsent(of: subscriber) }
        }
    }

    /// The frame of the publication at hand for a subscriber that is about to be sent it.
    @inline(__always)
    func encode(
        _ publication: Publication, for subscriber: Subscriber, shares: Bool
    ) -> UnsafeRawBufferPointer {
        switch subscriber.mode {
        case .shared where shares:
            let (frame, context) = unsafe encodings.encoding(for: subscriber.context)
            unsafe subscriber.context = context
            return unsafe hold(frame)
        case .shared, .alone:
            guard publication.payloadCount >= subscriber.threshold else { break }
            let frame = encodings.cold(windowBits: subscriber.windowBits)
            if frame.isCompressed, subscriber.mode == .shared {
                unsafe subscriber.context = encodings.contextAfterCold()
            }
            return unsafe hold(frame)
        case .plain, .own: break
        }
        return unsafe publication.frame
    }

    @inline(__always)
    private func hold(_ frame: SharedFrame) -> UnsafeRawBufferPointer {
        if unsafe frames.last !== frame { unsafe frames.append(frame) }
        return unsafe frame.bytes
    }
}
