import UVTransport

/// The shedding of connections when the memory of all loops is exhausted: the largest ones of the
/// loop that holds the most memory.
extension LoopResources {
    /// Sheds connections at the end of this turn, on the loop that holds the most. While that loop
    /// is busy, this one sheds too, if it holds half of an even share or more.
    func shedMemoryLater() {
        var holder = self
        for other in siblings where other.memory.bytesHeld > holder.memory.bytesHeld {
            holder = other
        }
        if holder.shedAtEndOfTurn() || holder === self { return }
        let shares = 2 * siblings.count
        if memory.bytesHeld >= assemblies.budget.max / shares { shedAtEndOfTurn() }
    }

    /// Returns false if the loop has been asked already and hasn't done it yet.
    @discardableResult
    private func shedAtEndOfTurn() -> Bool {
        guard memory.beginShedding() else { return false }
        loop.execute { [self] in shedMemory() }
        return true
    }

    /// Closes the connections that hold the most, until a sixteenth of each budget is free again.
    private func shedMemory() {
        memory.endShedding()
        let wanted = max(memory.budget.excess, assemblies.budget.excess)
        guard wanted > 0 else { return }
        var holders = registry.snapshot().map { (connection: $0, size: $0.memoryHeld) }
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
