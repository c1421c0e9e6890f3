/// A token bucket: so many a second, and a burst of as many. Time is handed in, never read.
struct TokenBucket {
    /// Thousandths of a token that come each millisecond: the rate a second.
    private let rate: Int64
    /// Thousandths of a token. Below zero it is in debt: what has been taken can't be refused.
    private var level: Int64
    private var filled: UInt64

    /// A full bucket; `rate` is tokens a second.
    init(rate: Int, now: UInt64) {
        self.rate = Int64(rate)
        level = Int64(rate) * 1_000
        filled = now
    }

    /// Takes `count` tokens, and returns the milliseconds until there is no debt; 0 if there is
    /// none.
    mutating func take(_ count: UInt64, now: UInt64) -> UInt64 {
        let full = rate * 1_000
        // A second fills it from zero, and debts are of one read: no product overflows.
        let passed = Int64(min(now - min(filled, now), 1 << 22))
        filled = max(filled, now)
        level = min(full, level + passed * rate)
        level -= Int64(min(count, 1 << 40)) * 1_000
        return level >= 0 ? 0 : UInt64((-level + rate - 1) / rate)
    }
}
