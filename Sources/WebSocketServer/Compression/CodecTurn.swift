import UVTransport

/// How long a loop inflates and deflates before others have their turn, and who waits meanwhile.
///
/// One message may take milliseconds, and a thousand connections may each bring one at once. So
/// past this much time those wait in a queue that bring no short message, and a few of them go on
/// in each later turn. Meanwhile reads are short, so that what waits is little.
struct CodecTurn {
    fileprivate static let nanosecondsMax: UInt64 = 10_000_000
    /// Bytes of a read meanwhile.
    static let readSize = 4_096
    /// Bytes that are looked at all the same, if no message is partly received.
    static let shortSize = 1_024
    /// Connections that go on in one turn, if what their handlers do takes no longer than the codecs
    /// may; of those, how many may begin to put a message together, or go on doing so.
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

    /// `now`: the loop's clock, which stands still while it calls back for what one poll has found.
    /// `spent`: nanoseconds, in all.
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

    /// Who goes on next. In turns it is one that is within a message, whose memory is to be given
    /// back, and one that isn't, so that neither kind can keep the other waiting for ever.
    mutating func next() -> ConnectionCore? {
        prefersOthers.toggle()
        if others.isEmpty || !prefersOthers && !withinMessages.isEmpty {
            return withinMessages.isEmpty ? nil : withinMessages.removeFirst()
        }
        return others.removeFirst()
    }
}

extension LoopContext {
    /// Whether compression has had its time of this turn of the loop.
    func isCodecTurnOver() -> Bool {
        unsafe codecTurn.isOver(now: loop.now, spent: codecs.counts.codecNanoseconds)
    }

    /// Whether bytes that have come are to wait: for a turn with time left, and behind those who
    /// wait already, but for who is within a message or brings a short one.
    func mustAwaitCodecTurn(_ count: Int, isWithinMessage: Bool) -> Bool {
        let isShort = !isWithinMessage && count <= CodecTurn.shortSize
        if isCodecTurnOver() {
            serveCodecQueueLater()
            return !isShort
        }
        return unsafe !isShort && !isWithinMessage && codecTurn.count > 0
    }

    /// Has a connection look at the bytes that it holds in a later turn.
    func awaitCodecTurn(_ connection: ConnectionCore) {
        unsafe codecTurn.add(connection)
        serveCodecQueueLater()
    }

    private func serveCodecQueueLater() {
        guard unsafe !codecTurn.isServiceDue else { return }
        unsafe codecTurn.isServiceDue = true
        loop.readSize = CodecTurn.readSize
        loop.executeLater { [self] in serveCodecQueue() }
    }

    private func serveCodecQueue() {
        unsafe codecTurn.isServiceDue = false
        let began = LoopCodecs.now()
        var assembling = 0
        for _ in 0..<min(unsafe codecTurn.count, CodecTurn.resumedMax) {
            guard assembling < CodecTurn.assemblingMax, !isCodecTurnOver(),
                let next = unsafe codecTurn.next()
            else { break }
            next.receiveHeld()
            if unsafe next.stage == .open && !next.session.isBetweenMessages { assembling += 1 }
            if LoopCodecs.now() &- began > CodecTurn.nanosecondsMax { break }
        }
        if unsafe codecTurn.count > 0 {
            serveCodecQueueLater()
        } else {
            loop.readSize = EventLoop.readBufferSize
        }
    }
}
