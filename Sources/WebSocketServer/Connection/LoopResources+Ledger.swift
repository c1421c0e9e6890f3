extension Ledger {
    /// Counts what the loops of a client or a server still hold after they have stopped.
    ///
    /// - Parameters:
    ///   - loops: The resources of all loops.
    ///   - handles: The open handles of all loops.
    init(of loops: [LoopResources], handles: Int, budgets: MemoryBudgets) {
        self.init(
            handles: handles,
            buffers: loops.reduce(0) { $0 + $1.assemblies.outstanding },
            assemblyBytes: budgets.assemblies.bytesUsed, memoryBytes: budgets.memory.bytesUsed,
            contextBytes: budgets.contexts.bytesUsed,
            notes: loops.reduce(0) { $0 + $1.registry.noteCount })
    }
}
