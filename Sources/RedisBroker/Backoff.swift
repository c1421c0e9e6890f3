/// The pauses before further attempts to connect: doubled with each failure, up to the longest, and
/// shortened by up to a half, so that servers don't come back together.
///
/// Only a connection that lasted as long as the longest pause makes them short again: a server that
/// accepts a connection and then fails is not asked more often than one that is out of reach.
struct Backoff {
    private let least: UInt64
    private let most: UInt64
    /// Failures since the last connection that lasted.
    private(set) var failures = 0
    /// When the connection came up that is up; milliseconds, as all times here.
    private var upSince: UInt64?

    init(_ pauses: ClosedRange<Duration>) {
        least = pauses.lowerBound.milliseconds
        most = pauses.upperBound.milliseconds
    }

    mutating func succeeded(now: UInt64) { upSince = now }

    /// Counts a lost connection or a failed attempt; returns the pause before the next one.
    mutating func failed(now: UInt64) -> UInt64 {
        if let upSince, now - upSince >= most { failures = 0 }
        upSince = nil
        let pause = min(most, least << UInt64(min(failures, 16)))
        failures += 1
        return UInt64.random(in: pause / 2...pause)
    }
}
