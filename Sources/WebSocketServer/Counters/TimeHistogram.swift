/// A histogram of durations: how many were at most each of some bounds, and their sum.
public struct TimeHistogram: Sendable, Equatable {
    private let limits: [UInt64]
    /// The numbers of durations, one for each of ``bounds`` and a last one for longer durations.
    /// Each duration counts once: for the first bound that it doesn't exceed.
    public private(set) var counts: [UInt64]
    private var total: UInt64 = 0

    /// Creates a histogram without durations.
    ///
    /// - Parameter bounds: The bounds in nanoseconds, in ascending order.
    init(nanoseconds bounds: [UInt64]) {
        limits = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// The upper bounds of the buckets, in ascending order.
    public var bounds: [Duration] { limits.map { .nanoseconds(Int64(clamping: $0)) } }

    /// The sum of all durations.
    public var sum: Duration { .nanoseconds(Int64(clamping: total)) }

    /// The number of durations.
    public var count: UInt64 { counts.reduce(0, &+) }

    /// Adds a duration.
    mutating func record(nanoseconds: UInt64) {
        var bucket = 0
        while bucket < limits.count, nanoseconds > limits[bucket] { bucket += 1 }
        counts[bucket] &+= 1
        total &+= nanoseconds
    }

    /// Adds the durations of a histogram with the same bounds.
    mutating func add(_ other: TimeHistogram) {
        for bucket in counts.indices { counts[bucket] &+= other.counts[bucket] }
        total &+= other.total
    }

    /// Returns an empty histogram for the turns of event loops, whose durations are known to the
    /// millisecond.
    static var turns: TimeHistogram {
        TimeHistogram(
            nanoseconds: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000]
                .map { $0 * 1_000_000 })
    }

    /// Returns an empty histogram for handshakes.
    static var handshakes: TimeHistogram {
        TimeHistogram(
            nanoseconds: [
                50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
                500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
            ].map { $0 * 1_000 })
    }
}
