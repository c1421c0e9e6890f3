/// A token bucket: a number of tokens a second, and a burst of as many. Times are passed in.
struct TokenBucket {
    /// The thousandths of a token that are added each millisecond, which equal the tokens per
    /// second.
    private let rate: Int64
    /// The level in thousandths of a token. Below zero it is a debt: tokens are taken even if there
    /// are none.
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
        // A second fills the bucket from zero, and a debt is at most that of one read, so no
        // product overflows.
        let passed = Int64(min(now - min(filled, now), 1 << 22))
        filled = max(filled, now)
        level = min(full, level + passed * rate)
        level -= Int64(min(count, 1 << 40)) * 1_000
        return level >= 0 ? 0 : UInt64((-level + rate - 1) / rate)
    }
}
