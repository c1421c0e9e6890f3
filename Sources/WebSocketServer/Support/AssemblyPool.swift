import Glibc
import WebSocketProtocol

/// One loop's buffers for messages that span several reads.
///
/// A few released buffers are kept, since the kernel charges a page fault for every page of a new
/// one.
// Safety: each buffer is either kept here or lent to one session.
@safe
struct AssemblyPool: ~Copyable {
    /// The bytes kept for reuse, and the size of the largest buffer that is kept.
    private static let keptMax = 4 << 20
    private static let keptSizeMax = 2 << 20
    /// A kept buffer is lent if it has at most 64 KiB, or at most this many times the expected
    /// size: all of it counts against the budget.
    private static let lentTimesMax = 4
    private static let lentSizeMin = 64 << 10

    let budget: ByteBudget
    private let memory: LoopMemory
    /// The bytes by which the budget may be exceeded for buffers that are small or lent briefly.
    private var reserve: Int { min(budget.max / 8, Self.reserveMax) }
    private var kept: [(base: UnsafeMutableRawPointer, capacity: Int)] = unsafe []
    private var keptBytes = 0
    /// The number of buffers that are lent; reported by ``Ledger``.
    private(set) var outstanding = 0

    init(budget: ByteBudget, memory: LoopMemory) {
        self.budget = budget
        self.memory = memory
    }

    private static let reserveMax = 32 << 20
    /// A buffer of this size may come from the reserve when the budget is used up.
    private static let smallSizeMax = 16 << 10
    /// The largest buffer that may use half of the reserve. Larger ones may use a quarter.
    private static let mediumSizeMax = 256 << 10

    /// Returns how much of the reserve a buffer may use. Larger buffers leave more of it, so that
    /// those who hold much can't make the messages of others fail.
    private func share(_ capacity: Int, isBrief: Bool, usesReserve: Bool) -> Int {
        if isBrief { return reserve }
        guard usesReserve || capacity <= Self.smallSizeMax else { return 0 }
        return capacity <= Self.mediumSizeMax ? reserve / 2 : reserve / 4
    }

    /// Makes a buffer hold `capacity` bytes, keeping its contents. Prefers a kept buffer of the
    /// expected size, whose memory is mapped already. Returns false if the budget is used up.
    ///
    /// - Parameters:
    ///   - isBrief: Whether the buffer is returned before any other is requested, so that it may
    ///     have any size.
    ///   - usesReserve: Whether the buffer may come from the reserve, like brief and small ones.
    mutating func grow(
        _ buffer: inout AssemblyBuffer, to capacity: Int, expected: Int, isBrief: Bool = false,
        usesReserve: Bool = false
    ) -> Bool {
        let overdraft = share(capacity, isBrief: isBrief, usesReserve: usesReserve)
        let most = isBrief ? Int.max : max(Self.lentSizeMin, Self.lentTimesMax &* expected)
        if unsafe buffer.base == nil,
            let index = bestKept(expected, most) ?? bestKept(capacity, most)
        {
            guard unsafe take(kept[index].capacity, overdraft) else { return false }
            let found = unsafe kept.remove(at: index)
            unsafe keptBytes -= found.capacity
            unsafe buffer.base = unsafe found.base
            unsafe buffer.capacity = unsafe found.capacity
            outstanding += 1
            return true
        }
        guard unsafe take(capacity - buffer.capacity, overdraft) else { return false }
        if unsafe buffer.base == nil { outstanding += 1 }
        guard let base = unsafe realloc(buffer.base, capacity) else { fatalError("out of memory") }
        unsafe buffer.base = unsafe base
        unsafe buffer.capacity = capacity
        return true
    }

    private func take(_ count: Int, _ overdraft: Int) -> Bool {
        guard budget.take(count, reserve: overdraft) else { return false }
        memory.note(count)
        return true
    }

    private func give(_ count: Int) {
        budget.give(count)
        memory.note(-count)
    }

    /// Counts memory that is in use beside the buffers.
    func takeBeside(_ count: Int) {
        budget.add(count)
        memory.note(count)
    }

    func giveBeside(_ count: Int) { give(count) }

    /// Returns the smallest kept buffer of at least `least` and at most `most` bytes.
    private func bestKept(_ least: Int, _ most: Int) -> Int? {
        let sizes = least...max(least, most)
        var best: Int?
        for index in unsafe kept.indices where unsafe sizes ~= kept[index].capacity {
            if unsafe best == nil || kept[index].capacity < kept[best!].capacity { best = index }
        }
        return best
    }

    mutating func release(_ buffer: inout AssemblyBuffer) {
        guard let base = unsafe buffer.base else { return }
        unsafe give(buffer.capacity)
        outstanding -= 1
        if unsafe buffer.capacity <= Self.keptSizeMax,
            unsafe keptBytes + buffer.capacity <= Self.keptMax
        {
            unsafe kept.append((base, buffer.capacity))
            unsafe keptBytes += buffer.capacity
        } else {
            unsafe free(base)
        }
        unsafe buffer = unsafe AssemblyBuffer()
    }

    deinit { unsafe kept.forEach { unsafe free($0.base) } }
}
