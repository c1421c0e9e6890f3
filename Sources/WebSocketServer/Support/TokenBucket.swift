/// A token bucket: a number of tokens a second, and a burst of as many. Times are passed in.
struct TokenBucket {
    /// Thousandths of a token that are added each millisecond: the tokens a second.
    private let rate: Int64
    /// Thousandths of a token. A level below zero is a debt: tokens are taken even if there are
    /// none.
    private var level: Int64
    private var filled: UInt64

    /// Creates a full bucket; `rate` is in tokens per second.
    init(rate: Int, now: UInt64) {
        self.rate = Int64(rate)
        level = Int64(rate) * 1_000
        filled = now
    }

    /// Takes `count` tokens. Returns the milliseconds until the debt is paid; 0 if there is none.
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
