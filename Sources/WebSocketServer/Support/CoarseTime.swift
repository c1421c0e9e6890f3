/// A time of the loop's clock in four bytes, rounded up to 32 ms. It wraps four years after the
/// machine has started.
struct CoarseTime: Comparable {
    private let ticks: UInt32

    @inline(__always)
    init(_ milliseconds: UInt64) { ticks = UInt32(truncatingIfNeeded: (milliseconds + 31) >> 5) }

    /// The value for no time: nothing happens at the start of the clock.
    static let never = CoarseTime(0)

    var milliseconds: UInt64 { UInt64(ticks) << 5 }

    static func < (one: CoarseTime, other: CoarseTime) -> Bool { one.ticks < other.ticks }

    /// `interval` in milliseconds.
    static func + (time: CoarseTime, interval: UInt64) -> UInt64 { time.milliseconds + interval }
}
