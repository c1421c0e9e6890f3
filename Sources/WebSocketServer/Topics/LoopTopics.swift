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
    private(set) var batch: [Publication] = []
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

    /// Takes what has been published and sends it to this loop's subscribers.
    func deliver() {
        batch.removeAll(keepingCapacity: true)
        hub.take(for: number, into: &batch)
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
            guard unsafe connection.stage == .open else { return false }
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
        guard unsafe connection.stage == .open else { return }
        // Only what has been written shows whether it is slow.
        if unsafe subscriber.pendingSize > Self.pendingSizeMax {
            writePending(of: subscriber)
            guard unsafe connection.stage == .open else { return }
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
