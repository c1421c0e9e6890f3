import Testing
import WebSocketProtocol

@testable import PubSub

/// Names that are canonically equivalent but differ in their bytes.
private let composed = "caf\u{E9}"
private let decomposed = "cafe\u{301}"

@Suite("Spellings of a topic") struct TopicSpellingTests {
    @Test("the table has two topics for two spellings of a name")
    func table() {
        var table = TopicTable()
        let subscriber = Subscriber(owner: nil, mode: .plain)
        #expect(table.subscribe(subscriber, to: composed, policy: .disconnect) == true)
        #expect(table[decomposed] == nil)
        #expect(table.unsubscribe(subscriber, from: decomposed) == nil)
        #expect(table.subscribe(subscriber, to: decomposed, policy: .disconnect) == true)
        #expect(table.count == 2)
        #expect(table.unsubscribe(subscriber, from: composed) == true)
        #expect(table.leave(subscriber).map { Array($0.utf8) } == [Array(decomposed.utf8)])
        #expect(table.count == 0)
    }

    @Test("what waits for one spelling of a topic or key doesn't take another's place")
    func backlog() {
        var backlog = Backlog()
        for (topic, key) in [
            (composed, composed), (composed, decomposed), (decomposed, composed),
        ] {
            let publication = Publication([UInt8(7)].span.bytes, as: .text, to: topic, key: key)
            let waiting = WaitingPublication(publication, policy: .conflate)
            #expect(backlog.append(.publication(waiting)) == nil)
        }
        #expect(backlog.count == 3)
    }
}
