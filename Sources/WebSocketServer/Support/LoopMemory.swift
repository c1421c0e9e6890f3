import Synchronization

/// The memory that peers make one loop of a server hold.
///
/// A loop updates the sum of its connections' bytes when they change. A message that is read and
/// answered completely never changes them. When the memory is used up, connections of the loop that
/// holds the most are closed.
final class LoopMemory: Sendable {
    /// The bytes that peers make all loops of the server hold.
    let budget: ByteBudget
    /// The bytes that connections of this loop hold; written on the loop alone.
    private let held = Atomic<Int>(0)
    /// The loop has been asked to shed and has not done so yet.
    private let isSheddingDue = Atomic<Bool>(false)

    init(budget: ByteBudget) { self.budget = budget }

    var bytesHeld: Int { held.load(ordering: .relaxed) }

    /// Counts bytes that a connection holds; negative for those that it has given back.
    func add(_ count: Int) {
        if count >= 0 { budget.add(count) } else { budget.give(-count) }
        note(count)
    }

    /// Notes bytes that a budget within this one has counted already.
    func note(_ count: Int) {
        held.store(held.load(ordering: .relaxed) &+ count, ordering: .relaxed)
    }

    /// Returns whether the caller is to make the loop shed connections.
    func beginShedding() -> Bool { !isSheddingDue.exchange(true, ordering: .relaxed) }
    func endShedding() { isSheddingDue.store(false, ordering: .relaxed) }
}
