import UVTransport

/// How long a loop inflates and deflates before others have their turn.
///
/// One message may take milliseconds, and a thousand connections may each bring one at once. So
/// past this much time those wait that are not short, in a queue: it lets few go on in a turn, and
/// first those that have begun a message, whose memory is to be given back. Meanwhile reads are
/// short, so that what waits is little.
struct CodecTurn {
    private static let nanosecondsMax: UInt64 = 10_000_000
    /// Bytes of a read meanwhile.
    static let readSize = 4_096
    /// Bytes that are looked at all the same, if no message is partly received.
    static let shortSize = 1_024
    /// Connections that go on in one turn: each may begin to put a message together.
    private static let resumedMax = 8

    private var began = UInt64.max
    private var spentBefore: UInt64 = 0
    /// Connections with bytes that they hold, in the order in which they came.
    private var withinMessages: [ConnectionCore] = []
    private var others: [ConnectionCore] = []
    /// The queue will be looked at in a later turn.
    fileprivate var isScheduled = false

    fileprivate var isQueueEmpty: Bool { withinMessages.isEmpty && others.isEmpty }

    /// `now`: the loop's clock, which stands still while it calls back for what one poll has found.
    /// `spent`: nanoseconds, in all.
    fileprivate mutating func isOver(now: UInt64, spent: UInt64) -> Bool {
        if now != began { (began, spentBefore) = (now, spent) }
        return spent &- spentBefore > Self.nanosecondsMax
    }

    fileprivate mutating func add(_ connection: ConnectionCore) {
        if unsafe connection.session.isBetweenMessages {
            others.append(connection)
        } else {
            withinMessages.append(connection)
        }
    }

    /// Those whose turn it is next.
    fileprivate mutating func take() -> [ConnectionCore] {
        var next = Array(withinMessages.prefix(Self.resumedMax))
        withinMessages.removeFirst(next.count)
        let more = others.prefix(Self.resumedMax - next.count)
        next.append(contentsOf: more)
        others.removeFirst(more.count)
        return next
    }

    fileprivate mutating func putBack(_ connections: ArraySlice<ConnectionCore>) {
        let isWithin = { (connection: ConnectionCore) in
            unsafe !connection.session.isBetweenMessages
        }
        withinMessages.insert(contentsOf: connections.filter(isWithin), at: 0)
        others.insert(contentsOf: connections.filter { !isWithin($0) }, at: 0)
    }
}

extension LoopContext {
    /// Whether compression has had its time of this turn of the loop.
    func isCodecTurnOver() -> Bool {
        let spent = unsafe codecs.counts.codecNanoseconds
        let isOver = unsafe codecTurn.isOver(now: loop.now, spent: spent)
        let isShort = unsafe isOver || !codecTurn.isQueueEmpty
        loop.readSize = isShort ? CodecTurn.readSize : EventLoop.readBufferSize
        if isShort { scheduleCodecTurns() }
        return isOver
    }

    /// Whether bytes that have come are to wait: for a turn with time left, and behind those who
    /// wait already, but for who is within a message or brings a short one.
    func mustAwaitCodecTurn(_ count: Int, isWithinMessage: Bool) -> Bool {
        if isCodecTurnOver() { return isWithinMessage || count > CodecTurn.shortSize }
        return unsafe !isWithinMessage && count > CodecTurn.shortSize && !codecTurn.isQueueEmpty
    }

    /// Has a connection look at the bytes that it holds in a later turn.
    func awaitCodecTurn(_ connection: ConnectionCore) {
        unsafe codecTurn.add(connection)
        scheduleCodecTurns()
    }

    private func scheduleCodecTurns() {
        guard unsafe !codecTurn.isScheduled else { return }
        unsafe codecTurn.isScheduled = true
        loop.executeLater { [self] in giveCodecTurns() }
    }

    private func giveCodecTurns() {
        unsafe codecTurn.isScheduled = false
        var next = unsafe codecTurn.take()[...]
        while !isCodecTurnOver(), let connection = next.popFirst() { connection.receiveHeld() }
        unsafe codecTurn.putBack(next)
        _ = isCodecTurnOver()
    }
}
