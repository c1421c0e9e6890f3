import Glibc

/// The time that the calling thread spends on a core while `body` runs, in seconds: other work on
/// the machine doesn't count.
public func threadSeconds(_ body: () throws -> Void) rethrows -> Double {
    func now() -> Double {
        var time = timespec()
        // Safety: it is written by the call, and read after it.
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    let start = now()
    try body()
    return now() - start
}

/// Text on which the time that Swift takes to compare or hash a string grows with the square of its
/// size: combining marks, each of a lower class than the one before or a higher one.
public func combiningMarks(bytes: Int) -> String {
    String(repeating: "\u{300}\u{316}", count: bytes / 4)
}
