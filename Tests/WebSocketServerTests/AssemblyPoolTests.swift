import Testing
import WebSocketProtocol

@testable import WebSocketServer

@Suite("Memory of messages that span reads") struct AssemblyPoolTests {
    @Test("A kept buffer is lent if it is at most four times the expected size, or used briefly")
    func lending() {
        let budget = ByteBudget(max: 4 << 20)
        var pool = AssemblyPool(budget: budget, memory: LoopMemory(budget: budget))
        var buffer = AssemblyBuffer()
        func capacity(_ expected: Int, isBrief: Bool = false) -> Int {
            #expect(pool.grow(&buffer, to: 4_096, expected: expected, isBrief: isBrief))
            defer { pool.release(&buffer) }
            return buffer.capacity
        }
        #expect(pool.grow(&buffer, to: 1 << 20, expected: 1 << 20))
        pool.release(&buffer)
        #expect(capacity(1 << 18) == 1 << 20)
        #expect(capacity((1 << 18) - 1) == 4_096)
        #expect(capacity(1 << 13, isBrief: true) == 1 << 20)
        #expect(pool.outstanding == 0)
    }

    @Test("Larger buffers leave more of the reserve to smaller ones, and those to brief ones")
    func reserve() {
        let budget = ByteBudget(max: 64 << 20)
        var pool = AssemblyPool(budget: budget, memory: LoopMemory(budget: budget))
        var held: [AssemblyBuffer] = []
        /// Takes buffers until one is refused. Returns the bytes that are then over the budget.
        func fill(_ size: Int, isBrief: Bool = false, usesReserve: Bool = false) -> Int {
            while true {
                var buffer = AssemblyBuffer()
                guard
                    pool.grow(
                        &buffer, to: size, expected: size, isBrief: isBrief,
                        usesReserve: usesReserve)
                else { return budget.bytesUsed - budget.max }
                held.append(buffer)
            }
        }
        let eighth = budget.max / 8
        #expect(fill(1 << 20) == 0)
        #expect(fill(1 << 20, usesReserve: true) == eighth / 4)
        #expect(fill(256 << 10, usesReserve: true) == eighth / 2)
        #expect(fill(16 << 10) == eighth / 2)
        #expect(fill(1 << 20, isBrief: true) == eighth)
        for index in held.indices { pool.release(&held[index]) }
        #expect(budget.bytesUsed == 0)
    }
}
