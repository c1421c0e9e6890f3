/// Seconds on the clock that only goes forward, whatever the calendar is set to; from a start of
/// its own.
func uptime() -> Double { (ContinuousClock.now - start) / .seconds(1) }

private let start = ContinuousClock.now
