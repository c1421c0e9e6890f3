/// The delays before attempts to connect. The delay doubles with each failure, up to a maximum, and
/// is shortened at random by up to a half, so that servers don't reconnect at the same time.
///
/// Only a connection that lasted as long as the longest delay resets the delays. So a server that
/// accepts connections and then fails gets no more attempts than one that can't be reached.
struct Backoff {
    private let least: UInt64
    private let most: UInt64
    /// The number of failures since the last connection that lasted.
    private(set) var failures = 0
    /// The time at which the current connection was established, in milliseconds, like all times
    /// here.
    private var upSince: UInt64?

    init(_ pauses: ClosedRange<Duration>) {
        least = pauses.lowerBound.milliseconds
        most = pauses.upperBound.milliseconds
    }

    mutating func succeeded(now: UInt64) { upSince = now }

    /// Counts a lost connection or a failed attempt. Returns the delay before the next attempt.
    mutating func failed(now: UInt64) -> UInt64 {
        if let upSince, now - upSince >= most { failures = 0 }
        upSince = nil
        let pause = min(most, least << UInt64(min(failures, 16)))
        failures += 1
        return UInt64.random(in: pause / 2...pause)
    }
}
