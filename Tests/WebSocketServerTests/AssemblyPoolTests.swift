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
}
