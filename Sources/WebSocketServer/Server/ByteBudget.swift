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

    func give(_ count: Int) { used.wrappingSubtract(count, ordering: .relaxed) }
}
