import Testing
import WebSocketProtocol

@testable import WebSocketServer

@Suite("Agreements") struct AgreementTests {
    @Test("Connections share negotiated parameters by their values, not by their options object")
    func byValue() throws {
        let codecs = LoopCodecs(budget: ByteBudget(max: 1 << 20))
        var values = ConnectionConfiguration()
        values.compression.contextTakeover = .off
        let offer = try #require(values.compression.offer)
        var seen: Set<ObjectIdentifier> = []
        for round in 0..<100 {
            values.compression.threshold = .bytes(round % 2)
            // Released before the next round, whose options probably get the same address.
            let options = SessionOptions(values)
            let agreed = try #require(codecs.accept([offer], options: options)).compression
            #expect(agreed.threshold == round % 2)
            seen.insert(ObjectIdentifier(agreed))
        }
        #expect(seen.count == 2)
    }
}
