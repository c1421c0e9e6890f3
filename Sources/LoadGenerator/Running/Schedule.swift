/// The schedule of an open loop: messages at a fixed rate from a beginning, whatever the server
/// does.
///
/// Latency is measured from the time at which a message was due. So a server that stalls is charged
/// for the messages that had to wait meanwhile ("coordinated omission"), including those that are
/// unanswered at the end.
struct Schedule: Sendable {
    /// The start, in nanoseconds of ``Clocks/now``.
    let beginning: UInt64
    /// The interval between two messages, in nanoseconds.
    let interval: Double
    /// The number of messages that ``take(now:)`` has returned so far.
    private(set) var taken = 0

    /// The interval in nanoseconds below which messages are sent in batches. Waking the loop for
    /// each message would cost more than sending it.
    static let batchedBelow = 200_000.0
    /// The nanoseconds between two batches, and so the largest delay of a message in one.
    static let batchPeriod: UInt64 = 50_000

    /// - Parameter rate: Messages per second; more than 0.
    init(rate: Double, beginning: UInt64) {
        precondition(rate > 0)
        self.beginning = beginning
        interval = 1e9 / rate
    }

    /// Returns the numbers of the messages that have become due since the last call.
    mutating func take(now: UInt64) -> Range<Int> {
        let range = taken..<max(taken, dueCount(at: now))
        taken = range.upperBound
        return range
    }

    /// Returns the number of messages due at a time. The first is due at the beginning.
    func dueCount(at now: UInt64) -> Int {
        guard now >= beginning else { return 0 }
        let count = Int(Double(now - beginning) / interval) + 1
        // Both must agree on the moment, but division and product are rounded differently.
        if due(count) <= now { return count + 1 }
        return due(count - 1) <= now ? count : count - 1
    }

    /// Returns the time at which a message is due. It is a multiple of the interval from the
    /// beginning, not the previous time plus one, so that errors do not add up. A product of
    /// doubles is off by less than a nanosecond for months.
    func due(_ number: Int) -> UInt64 { beginning + UInt64(Double(number) * interval) }

    /// Whether to check every ``batchPeriod``, instead of at each message's time.
    var isBatched: Bool { interval < Self.batchedBelow }

    /// Returns the nanoseconds until the next message is due; at least 1.
    func wait(at now: UInt64) -> UInt64 {
        let next = due(taken)
        return next > now ? next - now : 1
    }
}
