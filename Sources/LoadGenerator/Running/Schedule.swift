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
        now < beginning ? 0 : Int(Double(now - beginning) / interval) + 1
    }

    /// When the message of that number is due.
    func due(_ number: Int) -> UInt64 { beginning + UInt64(Double(number) * interval) }

    /// How often to look: once a message, or every 50 µs where they come faster.
    var tick: UInt64 { UInt64(max(50_000, min(interval, 10_000_000))) }
}
