import Testing

@testable import WebSocketServer

@Suite("Times in half the memory") struct CoarseTimeTests {
    @Test("They are never early, and late by less than a tick")
    func roundedUp() {
        for time in (UInt64(0)..<100).map({ $0 * 7 }) + [1 << 36] {
            #expect(time..<time + 32 ~= CoarseTime(time).milliseconds)
        }
        #expect(CoarseTime(32) < CoarseTime(33))
        #expect(CoarseTime(33) + 5 == 69)
    }
}
