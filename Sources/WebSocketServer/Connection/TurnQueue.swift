import UVTransport

/// The time that one turn of a loop gives to connections that bring much, and those that wait for a
/// later turn.
///
/// A thousand connections may each bring what takes milliseconds: a message to inflate, a read full
/// of small ones, pipelined requests. Once a turn has worked on such for its time, connections wait
/// in a queue unless they bring a short message, and a few of them go on in each later turn.
/// Meanwhile reads are short, so that little waits.
struct TurnQueue {
    /// Nanoseconds that a turn works on what is long; the rest waits.
    fileprivate static let nanosecondsMax: UInt64 = 10_000_000
    /// Nanoseconds that one connection has of them at a time.
    static let shareMax = LoopCodecs.sliceMax
    /// Bytes of a read meanwhile.
    static let readSize = 4_096
    /// Bytes that are received all the same, if no message is partly received.
    static let shortSize = 1_024
    /// The most connections that go on in one turn, as long as there is time; of those, the most that
    /// may begin to put a message together, or go on doing so.
    static let resumedMax = 64
    static let assemblingMax = 8

    private var began = UInt64.max
    private var spentBefore: UInt64 = 0
    /// Connections with bytes that they hold, in the order in which they came.
    private var withinMessages: [ConnectionCore] = []
    private var others: [ConnectionCore] = []
    private var prefersOthers = true
    /// The queue will be served in a later turn.
    fileprivate var isServiceDue = false

    var count: Int { withinMessages.count + others.count }

    /// Whether a turn has used up its time.
    ///
    /// - Parameters:
    ///   - now: The loop's clock, which stands still while it calls back for what one poll found.
    ///   - spent: Nanoseconds, in all turns so far.
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

    /// The connection that goes on next. In turns it is one within a message, whose memory is to be
    /// given back, and one that isn't, so that neither kind can keep the other waiting for ever.
    mutating func next() -> ConnectionCore? {
        prefersOthers.toggle()
        if others.isEmpty || !prefersOthers && !withinMessages.isEmpty {
            return withinMessages.isEmpty ? nil : withinMessages.removeFirst()
        }
        return others.removeFirst()
    }
}

extension LoopResources {
    /// Whether this turn of the loop has given all the time that it has for what takes long. Nor is
    /// there any while publications wait to be delivered: else clients that publish much would be
    /// further and further ahead of those who are to hear it.
    func isTurnOver() -> Bool {
        if let topics, topics.isDeliveryDue || topics.hub.isBehind { return true }
        return unsafe turnQueue.isOver(
            now: loop.now, spent: codecs.counts.codecNanoseconds &+ longReadNanoseconds)
    }

    /// Whether bytes that may be compressed are to wait: for a turn with time left, and behind the
    /// connections that wait already, unless they belong to a message in progress or are few.
    func mustAwaitTurn(_ count: Int, isWithinMessage: Bool) -> Bool {
        let isShort = !isWithinMessage && count <= TurnQueue.shortSize
        if isTurnOver() {
            serveTurnQueueLater()
            return !isShort
        }
        return unsafe !isShort && !isWithinMessage && turnQueue.count > 0
    }

    /// Has a connection go on in a later turn: ``ConnectionCore/takeTurn()``.
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
        let began = LoopCodecs.now()
        var assembling = 0
        for _ in 0..<min(unsafe turnQueue.count, TurnQueue.resumedMax) {
            guard assembling < TurnQueue.assemblingMax, !isTurnOver(),
                let next = unsafe turnQueue.next()
            else { break }
            next.takeTurn()
            if unsafe next.stage == .open && !next.session.isBetweenMessages { assembling += 1 }
            if LoopCodecs.now() &- began > TurnQueue.nanosecondsMax { break }
        }
        if unsafe turnQueue.count > 0 {
            serveTurnQueueLater()
        } else {
            loop.readSize = EventLoop.readBufferSize
        }
    }
}
