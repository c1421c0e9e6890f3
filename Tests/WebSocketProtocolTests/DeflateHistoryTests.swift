import Testing
import WebSocketProtocol

@Suite("Deflate: a history")
struct DeflateHistoryTests {
    @Test("It is the last bytes of all that was added", arguments: 8...15)
    func lastBytes(windowBits: Int) {
        var random = SeededGenerator(seed: UInt64(windowBits))
        var history = DeflateHistory(windowBits: windowBits)
        let capacity = 1 << windowBits
        for sizeMax in [capacity / 40, capacity / 3, capacity + 5, 3 * capacity] {
            var all: [UInt8] = []
            #expect(history.bytes.isEmpty)
            #expect(history.memorySize == 0)
            while all.count < 4 * capacity {
                let piece = random.bytes(Int.random(in: 0...sizeMax, using: &random))
                piece.withUnsafeBytes { history.append($0) }
                all += piece
                let isSame = Array(history.bytes) == Array(all.suffix(capacity))
                #expect(isSame)
                #expect(history.memorySize <= DeflateHistory.memorySizeMax(windowBits: windowBits))
                // Including the new bytes: never more than twice that, except for the minimum.
                #expect(history.memorySize <= max(1_024, 2 * all.count))
            }
            history.reset()
        }
    }

    @Test("A full history has the most memory that it ever has", arguments: 8...15)
    func memory(windowBits: Int) {
        var history = DeflateHistory(windowBits: windowBits)
        let message = [UInt8](repeating: 7, count: 100)
        for _ in 0..<(2 << windowBits) / 100 { message.withUnsafeBytes { history.append($0) } }
        let sizeMax = DeflateHistory.memorySizeMax(windowBits: windowBits)
        #expect(history.memorySize == sizeMax)
        #expect(sizeMax <= (1 << windowBits) * 2)
        #expect(history.bytes.count == 1 << windowBits)
    }

    @Test("An empty history has no memory")
    func empty() {
        var history = DeflateHistory(windowBits: 15)
        history.append(UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(history.memorySize == 0)
        #expect(history.bytes.isEmpty)
        history.reset()
        #expect(history.bytes.isEmpty)
    }
}
