import Synchronization

/// The bytes that all loops of a server may hold together for one purpose; any thread.
///
/// Bytes that count against a budget count against its parent, too.
final class ByteBudget: Sendable {
    private let used = Atomic<Int>(0)
    private let limit: Atomic<Int>
    private let parent: ByteBudget?

    init(max: Int, within parent: ByteBudget? = nil) {
        limit = Atomic(max)
        self.parent = parent
    }

    /// The most bytes that may be used. A reload may lower it below the bytes in use.
    var max: Int {
        get { limit.load(ordering: .relaxed) }
        set { limit.store(newValue, ordering: .relaxed) }
    }

    var bytesUsed: Int { used.load(ordering: .relaxed) }

    /// Takes `count` bytes of the budget, or none. Returns whether it has taken them.
    ///
    /// - Parameter reserve: The bytes by which the budget may be exceeded, for memory that is small
    ///   or given back soon, and must not fail because others hold much.
    func take(_ count: Int, reserve: Int = 0) -> Bool {
        let (_, now) = used.wrappingAdd(count, ordering: .relaxed)
        if now <= max &+ reserve {
            if parent?.take(count, reserve: reserve) ?? true { return true }
        }
        used.wrappingSubtract(count, ordering: .relaxed)
        return false
    }

    /// Orders this thread after earlier calls of ``add(_:)``. Locks do that already, but
    /// ThreadSanitizer doesn't see this for a contended `Mutex`.
    func acquire() { _ = used.load(ordering: .acquiring) }

    /// Takes `count` bytes, even if that exceeds the budget.
    func add(_ count: Int) {
        used.wrappingAdd(count, ordering: .acquiringAndReleasing)
        parent?.add(count)
    }

    var hasRoom: Bool { bytesUsed <= max }

    /// Whether the budget is exceeded by so much that shedding has not kept up.
    var isOverrun: Bool { bytesUsed > max + max / 8 }

    /// The bytes to give back so that a sixteenth of the budget is free; negative if more is free.
    var excess: Int { bytesUsed - (max - max / 16) }

    func give(_ count: Int) {
        used.wrappingSubtract(count, ordering: .acquiringAndReleasing)
        parent?.give(count)
    }
}
