import Glibc

/// The clocks for the measurements of a load, in nanoseconds.
package enum Clocks {
    /// The monotonic time, which never goes back.
    @inline(__always)
    package static var now: UInt64 { read(CLOCK_MONOTONIC) }

    /// The CPU time of the calling thread.
    package static var threadCPU: UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

    /// The CPU time of all threads of this process.
    static var processCPU: UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    @inline(__always)
    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(bitPattern: Int64(time.tv_sec)) &* 1_000_000_000
            &+ UInt64(bitPattern: Int64(time.tv_nsec))
    }
}
