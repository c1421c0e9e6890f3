import Synchronization

/// The load of a server as all loops see it; any thread.
final class Overload: Sendable {
    private let loopCount: Int
    private let laggingLoops = Atomic<Int>(0)
    private let levelOfProcess = Atomic<UInt8>(LoadLevel.normal.rawValue)
    /// The range of seconds after which refused clients may try again.
    private let retrySeconds: ClosedRange<Int>

    init(_ options: OverloadConfiguration, loopCount: Int) {
        self.loopCount = loopCount
        let (seconds, attoseconds) = options.recovery.components
        let first = max(1, Int(seconds) + (attoseconds > 0 ? 1 : 0))
        retrySeconds = first...(3 * first)
    }

    /// The load of the process: its memory and descriptors.
    var processLevel: LoadLevel {
        get { LoadLevel(rawValue: levelOfProcess.load(ordering: .relaxed)) ?? .normal }
        set { levelOfProcess.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Counts a loop that is late from now on, or isn't any more.
    func count(lagging change: Int) { laggingLoops.wrappingAdd(change, ordering: .relaxed) }

    /// Whether most new connections are refused: for the whole process, or by half of the loops.
    var isOverloaded: Bool {
        let lagging = laggingLoops.load(ordering: .relaxed)
        return processLevel > .normal || lagging > 0 && 2 * lagging >= loopCount
    }

    /// Returns a number of seconds for `Retry-After`. It is random, so that refused clients don't
    /// come back all at once.
    func retryAfter() -> Int { Int.random(in: retrySeconds) }
}
