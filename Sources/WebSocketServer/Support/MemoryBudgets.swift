/// The budgets of memory that all loops of a server, or of a client, share.
struct MemoryBudgets: Sendable {
    /// All bytes that peers make the loops hold.
    let memory: ByteBudget
    /// The bytes of partly received messages.
    let assemblies: ByteBudget
    /// The bytes of compression contexts.
    let contexts: ByteBudget

    /// Creates the budgets of a configuration. Each of them has room for one message at least.
    init(_ limits: Limits, _ compression: Compression) {
        self.init(size: 0)
        update(limits, compression)
    }

    /// Takes over the sizes of another configuration. Memory in use beyond them is shed when more
    /// is needed.
    func update(_ limits: Limits, _ compression: Compression) {
        memory.max = max(limits.memoryMax, limits.assemblySizeMax, limits.messageSizeMax).bytes
        assemblies.max = max(limits.assemblySizeMax, limits.messageSizeMax).bytes
        contexts.max = compression.memoryMax.bytes
    }

    /// Creates budgets of one size.
    init(size: Int) {
        memory = ByteBudget(max: size)
        assemblies = ByteBudget(max: size, within: memory)
        contexts = ByteBudget(max: size)
    }
}
