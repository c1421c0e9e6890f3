import Synchronization

/// The bytes that all loops of a server may hold together for one purpose; any thread.
final class ByteBudget: Sendable {
    private let used = Atomic<Int>(0)
    let max: Int

    init(max: Int) { self.max = max }

    var bytesUsed: Int { used.load(ordering: .relaxed) }

    /// Takes `count` bytes of the budget, or none.
    func take(_ count: Int) -> Bool {
        let (_, now) = used.wrappingAdd(count, ordering: .relaxed)
        if now <= max { return true }
        used.wrappingSubtract(count, ordering: .relaxed)
        return false
    }

    /// Takes `count` bytes, whether they are there or not.
    ///
    /// What was written before is seen after the ``give(_:)`` that follows, by ThreadSanitizer too,
    /// which is blind to a contended `Mutex`.
    func add(_ count: Int) { used.wrappingAdd(count, ordering: .acquiringAndReleasing) }

    var hasRoom: Bool { bytesUsed <= max }

    func give(_ count: Int) { used.wrappingSubtract(count, ordering: .acquiringAndReleasing) }
}
