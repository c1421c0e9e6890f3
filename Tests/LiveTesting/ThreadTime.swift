import Glibc

/// Returns the CPU time of the calling thread during `body`, in seconds. Other work on the machine
/// doesn't count.
public func threadSeconds(_ body: () throws -> Void) rethrows -> Double {
    func now() -> Double {
        var time = timespec()
        // Safety: the call writes it, and it is read afterwards.
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    let start = now()
    try body()
    return now() - start
}

/// Returns a text whose comparison or hashing as a Swift string takes time that grows with the
/// square of its size: combining marks of alternating classes.
public func combiningMarks(bytes: Int) -> String {
    String(repeating: "\u{300}\u{316}", count: bytes / 4)
}
