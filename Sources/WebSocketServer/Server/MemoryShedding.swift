import Synchronization
import UVTransport
import WebSocketProtocol

/// The memory that peers make a server hold, and what gives way when it is spent: the connections
/// that hold the most, on the loop that holds the most.
///
/// A loop adds up its connections' bytes where they change, which is never on the path of a message
/// that is read and answered whole.
final class LoopMemory: Sendable {
    /// Everything that peers can make the server hold, over all loops.
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

    /// Notes bytes that are counted already, by a budget within this one.
    func note(_ count: Int) {
        held.store(held.load(ordering: .relaxed) &+ count, ordering: .relaxed)
    }

    /// Whether the caller is the one to have the loop shed.
    func beginShedding() -> Bool { !isSheddingDue.exchange(true, ordering: .relaxed) }
    func endShedding() { isSheddingDue.store(false, ordering: .relaxed) }
}

extension LoopContext {
    /// Sheds connections at the end of this turn, on the loop that holds the most.
    func shedMemoryLater() {
        var holder = self
        for other in siblings where other.memory.bytesHeld > holder.memory.bytesHeld {
            holder = other
        }
        guard holder.memory.beginShedding() else { return }
        holder.loop.execute { [holder] in holder.shedMemory() }
    }

    /// Closes the connections that hold the most, until a sixteenth of each budget is free again.
    private func shedMemory() {
        memory.endShedding()
        let wanted = max(memory.budget.excess, assemblies.budget.excess)
        guard wanted > 0 else { return }
        var holders = snapshot().map { (connection: $0, size: $0.memoryHeld) }
        holders.sort { $0.size > $1.size }
        var freed = 0
        for holder in holders {
            guard freed < wanted, holder.size > 0 else { break }
            holder.connection.end(.memory)
            freed += holder.size
        }
        counters.shed += 1
        warnings.shed.log(["limit": "\(memory.budget.max)", "freed": "\(freed)"])
    }
}

extension ConnectionCore {
    /// The bytes that the peer makes the server hold for this connection, partly received messages
    /// aside.
    private var heldSize: Int {
        unsafe outboxCount + (guards?.heldSize ?? 0) + (opening?.heldSize ?? 0)
    }

    /// The same with partly received messages.
    var memoryHeld: Int { unsafe heldSize + session.heldSize }

    /// Counts what the connection holds against the server's memory; to be called when that may
    /// have changed. Less than 4 KiB are not worth counting.
    func countMemory() {
        let held = stage == .over ? 0 : heldSize
        let size = held < 4_096 ? 0 : UInt32(clamping: held)
        guard unsafe size != memoryCounted else { return }
        let grown = unsafe Int(size) - Int(memoryCounted)
        unsafe memoryCounted = size
        context.memory.add(grown)
        if grown > 0, !context.memory.budget.hasRoom { context.shedMemoryLater() }
    }

    /// Releases what the peer has sent and this side has yet to handle.
    func releaseHeld() {
        if unsafe sink != nil { unsafe session.discard(into: &sink!) }
        _ = guards?.takeUnparsed()
        countMemory()
    }
}
