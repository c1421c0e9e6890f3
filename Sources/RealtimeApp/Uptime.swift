/// Returns the seconds of a monotonic clock, which changes of the calendar time don't affect. Its
/// zero is arbitrary.
func uptime() -> Double { (ContinuousClock.now - start) / .seconds(1) }

private let start = ContinuousClock.now
