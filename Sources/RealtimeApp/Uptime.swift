import Foundation

/// Seconds on the clock that only goes forward, whatever the calendar is set to.
func uptime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
