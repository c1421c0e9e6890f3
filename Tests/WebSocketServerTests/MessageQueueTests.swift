import Testing
import LiveTesting

@testable import WebSocketServer

@Suite struct MessageQueueTests {
    @Test("Counts the messages and bytes that wait, in order", arguments: 0..<10)
    func random(seed: UInt64) {
        var random = SplitMix(seed)
        var queue = MessageQueue()
        var twin: [Message] = []
        for _ in 0..<1_000 {
            // At times more than the queue keeps memory for, at times none.
            if Int.random(in: 0..<100, using: &random) == 0 {
                for _ in 0..<100 {
                    let message = Message(
                        [UInt8](repeating: 1, count: .random(in: 0..<9, using: &random)))
                    queue.append(message)
                    twin.append(message)
                }
            }
            #expect(queue.popFirst() == (twin.isEmpty ? nil : twin.removeFirst()))
            #expect(queue.count == twin.count)
            #expect(queue.bytes == twin.reduce(0) { $0 + $1.bytes.count })
        }
    }
}
