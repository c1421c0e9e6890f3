/// When each message of an open loop is due: at a rate, from a beginning, whatever the server does.
///
/// Latency counts from the moment a message was due, so that a server which stalls is charged for
/// the messages that had to wait meanwhile ("coordinated omission").
///
/// So are those that are not answered when the measuring ends: they have waited at least till then.
struct Schedule: Sendable {
    /// Nanoseconds of ``Clocks/now``.
    let beginning: UInt64
    /// Between two messages, in nanoseconds.
    let interval: Double
    /// Messages that were due so far, as far as ``take(now:)`` said.
    private(set) var taken = 0

    /// Where messages come faster than that, in nanoseconds, the loop is not woken for each, which
    /// costs more than sending one does, but for batches.
    static let batchedBelow = 200_000.0
    /// Nanoseconds between two batches: how late a message of one may be.
    static let batchPeriod: UInt64 = 50_000

    /// - Parameter rate: messages a second; more than 0.
    init(rate: Double, beginning: UInt64) {
        precondition(rate > 0)
        self.beginning = beginning
        interval = 1e9 / rate
    }

    /// The numbers of those that have come due since the last call.
    mutating func take(now: UInt64) -> Range<Int> {
        let range = taken..<max(taken, dueCount(at: now))
        taken = range.upperBound
        return range
    }

    /// How many have come due until then. The first is due at the beginning.
    func dueCount(at now: UInt64) -> Int {
        guard now >= beginning else { return 0 }
        let count = Int(Double(now - beginning) / interval) + 1
        // One moment for both: division and product are rounded each in its own way.
        if due(count) <= now { return count + 1 }
        return due(count - 1) <= now ? count : count - 1
    }

    /// When the message of that number is due: so many intervals behind the beginning, not one
    /// behind the last, so that nothing adds up. A product of doubles is off by less than a
    /// nanosecond for months.
    func due(_ number: Int) -> UInt64 { beginning + UInt64(Double(number) * interval) }

    /// Whether to look every ``batchPeriod``, and not when each message is due.
    var isBatched: Bool { interval < Self.batchedBelow }

    /// Nanoseconds until the next message that was not taken is due; at least 1.
    func wait(at now: UInt64) -> UInt64 {
        let next = due(taken)
        return next > now ? next - now : 1
    }
}
