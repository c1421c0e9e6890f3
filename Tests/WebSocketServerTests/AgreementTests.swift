import Testing
import WebSocketProtocol

@testable import WebSocketServer

@Suite("Agreements") struct AgreementTests {
    @Test("connections share what they agreed on by its values, not by whose options they are")
    func byValue() throws {
        let codecs = LoopCodecs(budget: ByteBudget(max: 1 << 20))
        var values = ConnectionOptions()
        values.compression.contextTakeover = .off
        let offer = try #require(values.compression.offer)
        var seen: Set<ObjectIdentifier> = []
        for round in 0..<100 {
            values.compression.threshold = .bytes(round % 2)
            // Gone by the next round, which is likely to find its own options in their place.
            let options = SessionOptions(values)
            let agreed = try #require(codecs.accept([offer], options: options)).compression
            #expect(agreed.threshold == round % 2)
            seen.insert(ObjectIdentifier(agreed))
        }
        #expect(seen.count == 2)
    }
}
