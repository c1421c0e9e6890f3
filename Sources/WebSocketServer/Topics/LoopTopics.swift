import UVTransport
import WebSocketProtocol

/// One loop's part of topics: its subscribers, and the delivery of what is published to them.
/// For that loop's thread.
// Safety: frames that are pending are kept by `frames` and `batch` until they are written.
@safe
final class LoopTopics {
    /// A frame that a connection is to be sent at the end of the batch.
    @safe
    private struct Pending {
        let frame: UnsafeRawBufferPointer
        let payloadCount: Int
        var next: Int32
    }

    /// Bytes of one connection's frames that are gathered, at most, and one frame more.
    private static let pendingSizeMax = 32 << 10

    let hub: Hub
    let broker: any Broker
    let options: TopicOptions
    private let number: Int
    private let budget: ByteBudget
    private let encodings: SharedContexts
    @exclusivity(unchecked) var counts = TopicCounts()
    private var table = TopicTable()
    private var batch: [Publication] = []
    @exclusivity(unchecked) private var pending: [Pending] = []
    @exclusivity(unchecked) private var written: [Subscriber] = []
    /// Keeps the frames of a batch until they are written.
    @exclusivity(unchecked) private var frames: [SharedFrame] = []

    init(
        number: Int, hub: Hub, broker: any Broker, options: TopicOptions, budget: ByteBudget,
        compression: Compression, codecs: LoopCodecs
    ) {
        self.number = number
        self.hub = hub
        self.broker = broker
        self.options = options
        self.budget = budget
        encodings = unsafe SharedContexts(windowBits: compression.serverWindowBits) {
            [unowned codecs] payload, history in
            let deflater = codecs.deflater(compression, windowBits: compression.serverWindowBits)
            return unsafe codecs.deflate(payload, by: deflater, after: history)
        }
    }

    // MARK: - Subscribing

    func subscribe(_ subscriber: Subscriber, to name: String) -> Connection.SubscribeOutcome {
        guard options.accepts(name) else { return .invalidName }
        if let topic = table[name], subscriber.index(of: topic) != nil {
            return .alreadySubscribed
        }
        if subscriber.memberships.count >= options.perConnectionMax { return .tooMany }
        let policy = options.policy(of: name)
        guard let isFirst = table.subscribe(subscriber, to: name, policy: policy)
        else { return .alreadySubscribed }
        if isFirst, hub.add(number, to: name) { broker.subscribe(to: name) }
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
        unsafe budget.give(subscriber.backlog.size)
        unsafe subscriber.backlog = Backlog()
        unsafe subscriber.context = nil
    }

    private func emptied(_ name: String) {
        if hub.remove(number, from: name) { broker.unsubscribe(from: name) }
    }

    var topics: [TopicStatistics] {
        table.all.map { TopicStatistics(name: $0.name, subscribers: $0.entries.count) }
    }

    /// What is left when all connections are gone: nothing.
    var leftovers: Int { table.count + encodings.liveContexts + encodings.livePublications }

    // MARK: - Delivering

    /// Takes what has been published and sends it to this loop's subscribers.
    func deliver() {
        batch.removeAll(keepingCapacity: true)
        hub.take(for: number, into: &batch)
        let gathers = batch.count > 1
        for publication in batch {
            if let topic = table[publication.topic] {
                unsafe counts.publications &+= 1
                deliver(publication, on: topic, gathers: gathers)
            }
        }
        if gathers { writePending() }
        batch.removeAll(keepingCapacity: true)
    }

    private func deliver(_ publication: Publication, on topic: LoopTopic, gathers: Bool) {
        // Who subscribes or leaves meanwhile changes the list, and not this copy of it.
        let entries = topic.entries
        let shares = topic.sharing > 1
        encodings.begin(publication)
        if shares {
            for index in entries.indices {
                unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                    if subscriber.mode == .shared,
                        subscriber.withConnection({ isReady(subscriber, $0) })
                    {
                        unsafe encodings.count(subscriber.context)
                    }
                }
            }
            encodings.plan()
        }
        for index in entries.indices {
            unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                subscriber.withConnection { connection in
                    deliver(publication, to: subscriber, connection, topic, shares, gathers)
                }
            }
        }
        encodings.end()
        if !gathers { unsafe frames.removeAll(keepingCapacity: true) }
    }

    /// Nothing is queued for it: what it is sent now is really written.
    @inline(__always)
    private func isReady(_ subscriber: Subscriber, _ connection: ConnectionCore) -> Bool {
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
            connection.flushIfCorked()
        }
        guard isReady(subscriber, connection) else {
            wait(.publication(publication, topic.policy), for: subscriber)
            return
        }
        if subscriber.mode == .own {
            _ = unsafe connection.sendMessage(publication.payload, publication.kind)
            return
        }
        let frame = unsafe encode(publication, for: subscriber, shares: shares)
        unsafe counts.deliveries &+= 1
        if gathers {
            unsafe gather(frame, publication.payloadCount, for: subscriber)
        } else {
            unsafe connection.sendFrame(frame, payloadCount: publication.payloadCount)
        }
    }

    /// The frame of the publication at hand for a subscriber that is about to be sent it.
    @inline(__always)
    private func encode(
        _ publication: Publication, for subscriber: Subscriber, shares: Bool
    ) -> UnsafeRawBufferPointer {
        switch subscriber.mode {
        case .shared where shares:
            let (frame, context) = unsafe encodings.encoding(for: subscriber.context)
            unsafe subscriber.context = context
            return unsafe hold(frame)
        case .shared, .alone:
            guard publication.payloadCount >= subscriber.threshold else { break }
            let frame = encodings.cold()
            if frame.isCompressed { unsafe subscriber.context = encodings.contextAfterCold() }
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

    private func gather(
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

    /// One connection after the other, so that all its frames leave together.
    private func writePending() {
        for subscriber in unsafe written { writePending(of: subscriber) }
        unsafe written.removeAll(keepingCapacity: true)
        unsafe pending.removeAll(keepingCapacity: true)
        unsafe frames.removeAll(keepingCapacity: true)
    }

    private func writePending(of subscriber: Subscriber) {
        var place = unsafe subscriber.firstPending
        unsafe subscriber.firstPending = -1
        unsafe subscriber.pendingSize = 0
        let connection = subscriber.connection
        while place >= 0 {
            let entry = unsafe pending[Int(place)]
            unsafe connection.sendFrame(entry.frame, payloadCount: entry.payloadCount)
            place = entry.next
        }
    }

    // MARK: - Slow subscribers

    /// Queues something behind what a slow subscriber has not taken yet. Past the limit the oldest
    /// publications go that may, or else the subscriber; false then.
    @discardableResult
    func wait(_ item: Backlog.Item, for subscriber: Subscriber) -> Bool {
        let connection = subscriber.connection
        // What was queued before counts, so one message always fits.
        while unsafe connection.outboxCount + subscriber.backlog.size
            > connection.options.outboxMax || !budget.hasRoom
        {
            if let dropped = unsafe subscriber.backlog.dropOldest() {
                budget.give(dropped)
                unsafe counts.dropped &+= 1
            } else if case .publication(_, let policy) = item, policy != .disconnect {
                unsafe counts.dropped &+= 1
                return true
            } else {
                connection.dropSlowConsumer()
                return false
            }
        }
        budget.add(item.size)
        if let replaced = unsafe subscriber.backlog.append(item) {
            budget.give(replaced)
            unsafe counts.conflated &+= 1
        } else if case .publication = item {
            unsafe counts.delayed &+= 1
        }
        return true
    }

    /// Sends what waits, until the outbox is above its high water mark again, or all of it.
    func resume(_ subscriber: Subscriber, all: Bool = false) {
        let connection = subscriber.connection
        while unsafe all || connection.outboxCount <= connection.options.outboxHighWater,
            let item = unsafe subscriber.backlog.takeFirst()
        {
            budget.give(item.size)
            switch item {
            case .own(let bytes, let kind, let compresses):
                unsafe bytes.withUnsafeBytes {
                    _ = unsafe connection.sendNow($0, kind, compresses: compresses)
                }
            case .publication(let publication, _) where subscriber.mode == .own:
                _ = unsafe connection.sendNow(
                    publication.payload, publication.kind, compresses: true)
            case .publication(let publication, _):
                encodings.begin(publication)
                let frame = unsafe encode(publication, for: subscriber, shares: false)
                unsafe counts.deliveries &+= 1
                unsafe connection.sendFrame(frame, payloadCount: publication.payloadCount)
                encodings.end()
                unsafe frames.removeAll(keepingCapacity: true)
            }
        }
    }
}

/// A topic that someone subscribes to.
public struct TopicStatistics: Sendable, Hashable {
    public let name: String
    public internal(set) var subscribers: Int
}

/// What topics did.
public struct TopicCounts: Sendable, Equatable {
    /// Subscriptions now.
    public var subscriptions = 0
    /// Publications that reached a loop with subscribers, and the frames sent for them.
    public var publications: UInt64 = 0
    public var deliveries: UInt64 = 0
    /// Publications that had to wait for a slow subscriber; of those, the ones that were dropped,
    /// and that a later one of their key took the place of.
    public var delayed: UInt64 = 0
    public var dropped: UInt64 = 0
    public var conflated: UInt64 = 0

    public init() {}

    mutating func add(_ other: TopicCounts) {
        subscriptions += other.subscriptions
        publications += other.publications
        deliveries += other.deliveries
        delayed += other.delayed
        dropped += other.dropped
        conflated += other.conflated
    }
}
