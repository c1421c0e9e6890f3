import Testing
import WebSocketProtocol
import LiveTesting

@testable import PubSub

@Suite("Ranking of backlogs") struct BacklogRankingTests {
    private static func publication(_ size: Int) -> Backlog.Item {
        .publication(
            WaitingPublication(
                Publication([UInt8](repeating: 7, count: size).span.bytes, as: .text, to: "topic"),
                policy: .dropOldest))
    }

    @Test("the one with most waiting is found, through additions and removals", arguments: 1...8)
    func twin(seed: UInt64) {
        var random = SplitMix(seed)
        var ranking = BacklogRanking()
        let subscribers = (0..<40).map { _ in Subscriber(owner: nil, mode: .plain) }
        for step in 0..<4_000 {
            let one = subscribers[Int(random.next() % 40)]
            if random.next() % 10 < (step / 500 % 2 == 0 ? 6 : 4) {
                _ = one.backlog.append(Self.publication(1 << Int(random.next() % 12)))
            } else {
                _ = one.backlog.takeFirst()
            }
            ranking.update(one)
            #expect(ranking.count == subscribers.filter { !$0.backlog.isEmpty }.count)
            let most = subscribers.map(\.backlog.size).max()!
            let other = subscribers[Int(random.next() % 40)]
            let slower = ranking.slower(than: other)
            #expect(slower?.backlog.size == (other.backlog.size < most ? most : nil))
        }
        for subscriber in subscribers {
            subscriber.backlog = Backlog()
            ranking.update(subscriber)
        }
        #expect(ranking.count == 0 && ranking.slower(than: subscribers[0]) == nil)
    }

    @Test("among a thousand, one is found that has half of the most at least")
    func many() {
        var ranking = BacklogRanking()
        let subscribers = (0..<1_000).map { index in
            let subscriber = Subscriber(owner: nil, mode: .plain)
            _ = subscriber.backlog.append(Self.publication(1 + index * 7919 % 1_000))
            ranking.update(subscriber)
            return subscriber
        }
        let most = subscribers.map(\.backlog.size).max()!
        let least = subscribers.min { $0.backlog.size < $1.backlog.size }!
        #expect((ranking.slower(than: least)?.backlog.size ?? 0) * 2 >= most)
    }
}
