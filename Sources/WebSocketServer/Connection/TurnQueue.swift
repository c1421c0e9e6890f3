import PubSub
import UVTransport

/// The time that one turn of a loop gives to long reads, and the connections that wait for a later
/// turn.
///
/// Each of a thousand connections may bring input that takes milliseconds: a message to inflate, a
/// read full of small messages, pipelined requests. Once a turn has used its time for such input,
/// connections wait in a queue unless they bring a short message, and a few of them continue in
/// each later turn. Meanwhile reads are short, so that few bytes wait.
struct TurnQueue {
    /// The nanoseconds that a turn may spend on long reads.
    fileprivate static let nanosecondsMax: UInt64 = 10_000_000
    /// The maximum nanoseconds of these that one connection may use at a time.
    static let shareMax = LoopCodecs.sliceMax
    /// The bytes of a read while connections wait.
    static let readSize = 4_096
    /// The bytes that are received even then, if no message is incomplete.
    static let shortSize = 1_024
    /// The most connections that continue in one turn, as long as there is time; and the most of
    /// those that may keep a partly received message.
    static let resumedMax = 64
    static let assemblingMax = 8

    private var began = UInt64.max
    private var spentBefore: UInt64 = 0
    /// The connections that hold unparsed bytes, in the order of arrival.
    private var withinMessages: [ConnectionCore] = []
    private var others: [ConnectionCore] = []
    private var prefersOthers = true
    /// The queue will be served in a later turn.
    fileprivate var isServiceDue = false

    var count: Int { withinMessages.count + others.count }

    /// Returns whether a turn has used up its time.
    ///
    /// - Parameters:
    ///   - now: The loop's clock, which stands still during the callbacks of one poll.
    ///   - spent: The nanoseconds of all turns so far.
    mutating func isOver(now: UInt64, spent: UInt64) -> Bool {
        if now != began { (began, spentBefore) = (now, spent) }
        return spent &- spentBefore > Self.nanosecondsMax
    }

    mutating func add(_ connection: ConnectionCore) {
        if unsafe connection.session.isBetweenMessages {
            others.append(connection)
        } else {
            withinMessages.append(connection)
        }
    }

    /// Takes out the connection that continues next. Connections within a message, whose memory can
    /// be released, take turns with the others, so that neither kind makes the other wait for ever.
    mutating func next() -> ConnectionCore? {
        prefersOthers.toggle()
        if others.isEmpty || !prefersOthers && !withinMessages.isEmpty {
            return withinMessages.isEmpty ? nil : withinMessages.removeFirst()
        }
        return others.removeFirst()
    }
}

extension LoopResources {
    /// Returns whether this turn of the loop has no time left for long reads. It has none while
    /// publications wait to be delivered: otherwise clients that publish much would get further and
    /// further ahead of the subscribers.
    func isTurnOver() -> Bool {
        if let topics, topics.isDeliveryDue || topics.hub.isBehind { return true }
        return unsafe turnQueue.isOver(
            now: loop.now, spent: codecs.counts.codecNanoseconds &+ longReadNanoseconds)
    }

    /// Returns whether bytes that may be compressed must wait for a later turn. While this turn has
    /// time left, they wait only if other connections wait already, and not if they continue a
    /// message. A few bytes that begin a message never wait.
    func mustAwaitTurn(_ count: Int, isWithinMessage: Bool) -> Bool {
        let isShort = !isWithinMessage && count <= TurnQueue.shortSize
        if isTurnOver() {
            serveTurnQueueLater()
            return !isShort
        }
        return unsafe !isShort && !isWithinMessage && turnQueue.count > 0
    }

    /// Makes a connection continue in a later turn: ``ConnectionCore/takeTurn()``.
    func awaitTurn(_ connection: ConnectionCore) {
        unsafe turnQueue.add(connection)
        serveTurnQueueLater()
    }

    private func serveTurnQueueLater() {
        guard unsafe !turnQueue.isServiceDue else { return }
        unsafe turnQueue.isServiceDue = true
        loop.readSize = TurnQueue.readSize
        loop.executeLater { [self] in serveTurnQueue() }
    }

    private func serveTurnQueue() {
        unsafe turnQueue.isServiceDue = false
        let began = codecs.now()
        var assembling = 0
        for _ in 0..<min(unsafe turnQueue.count, TurnQueue.resumedMax) {
            guard assembling < TurnQueue.assemblingMax, !isTurnOver(),
                let next = unsafe turnQueue.next()
            else { break }
            next.takeTurn()
            if unsafe next.stage == .open && !next.session.isBetweenMessages { assembling += 1 }
            if codecs.now() &- began > TurnQueue.nanosecondsMax { break }
        }
        if unsafe turnQueue.count > 0 {
            serveTurnQueueLater()
        } else {
            loop.readSize = EventLoop.readBufferSize
        }
    }
}
