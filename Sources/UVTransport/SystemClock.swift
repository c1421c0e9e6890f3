import Glibc

/// The clocks of the system, as counts of nanoseconds.
package enum SystemClock {
    /// The time since 1970. It jumps when the system's clock is set.
    package static var realTime: Int { read(CLOCK_REALTIME) }
    /// The time since some point in the past.
    package static var monotonic: Int { read(CLOCK_MONOTONIC) }
    /// The time since the start of the system, with that of its sleep.
    package static var sinceBoot: Int { read(CLOCK_BOOTTIME) }
    /// The processor time of this process.
    package static var processorTime: Int { read(CLOCK_PROCESS_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> Int {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
