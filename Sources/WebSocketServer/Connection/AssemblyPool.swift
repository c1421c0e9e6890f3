import Glibc
import Synchronization
import WebSocketProtocol

/// The bytes that all partly received messages of a server hold together.
final class AssemblyBudget: Sendable {
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

/// One loop's memory for messages that span reads: a few released buffers are kept, since the
/// kernel charges a page fault for every page of a new one.
struct AssemblyPool: ~Copyable {
    /// Bytes kept for reuse, and the largest buffer worth keeping.
    private static let keptMax = 4 << 20
    private static let keptSizeMax = 2 << 20

    private let budget: AssemblyBudget
    private var kept: [(base: UnsafeMutableRawPointer, capacity: Int)] = []
    private var keptBytes = 0
    /// Buffers handed out and not yet given back (the ledger).
    private(set) var outstanding = 0

    init(budget: AssemblyBudget) { self.budget = budget }

    /// Makes a buffer hold `capacity` bytes, keeping its contents. A kept buffer that fits what
    /// is expected is better, as its memory is there already. False when the budget is spent.
    mutating func grow(
        _ buffer: inout AssemblyBuffer, to capacity: Int, expected: Int
    ) -> Bool {
        if buffer.base == nil, let index = bestKept(expected) ?? bestKept(capacity) {
            guard budget.take(kept[index].capacity) else { return false }
            let found = kept.remove(at: index)
            keptBytes -= found.capacity
            buffer.base = found.base
            buffer.capacity = found.capacity
            outstanding += 1
            return true
        }
        guard budget.take(capacity - buffer.capacity) else { return false }
        if buffer.base == nil { outstanding += 1 }
        guard let base = realloc(buffer.base, capacity) else { fatalError("out of memory") }
        buffer.base = base
        buffer.capacity = capacity
        return true
    }

    /// The smallest kept buffer of at least `capacity` bytes.
    private func bestKept(_ capacity: Int) -> Int? {
        var best: Int?
        for (index, buffer) in kept.enumerated() where buffer.capacity >= capacity {
            if best == nil || buffer.capacity < kept[best!].capacity { best = index }
        }
        return best
    }

    mutating func release(_ buffer: inout AssemblyBuffer) {
        guard let base = buffer.base else { return }
        budget.give(buffer.capacity)
        outstanding -= 1
        if buffer.capacity <= Self.keptSizeMax, keptBytes + buffer.capacity <= Self.keptMax {
            kept.append((base, buffer.capacity))
            keptBytes += buffer.capacity
        } else {
            free(base)
        }
        buffer = AssemblyBuffer()
    }

    deinit { for buffer in kept { free(buffer.base) } }
}
