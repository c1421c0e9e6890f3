import Testing
import LiveTesting

@testable import PubSub

@Suite("Topic table") struct TopicTableTests {
    /// A twin of the table, kept in the simplest way.
    private struct Twin {
        var topics: [Int: Set<String>] = [:]

        func subscribers(of topic: String) -> Set<Int> {
            Set(topics.filter { $0.value.contains(topic) }.keys)
        }
    }

    @Test("agrees with a set of pairs through joins, leaves and goodbyes", arguments: 1...8)
    func twin(seed: UInt64) {
        var random = SplitMix(seed)
        var table = TopicTable()
        var twin = Twin()
        var subscribers: [Int: Subscriber] = [:]
        let names = (0..<12).map { "topic/\($0)" }
        for step in 0..<4_000 {
            let number = Int(random.next() % 20)
            let name = names[Int(random.next() % 12)]
            let known = subscribers[number] ?? Subscriber(owner: nil, mode: .plain)
            subscribers[number] = known
            let before = twin.subscribers(of: name)
            switch random.next() % 8 {
            case 0..<4:
                let isFirst = table.subscribe(known, to: name, policy: .disconnect)
                #expect(isFirst == (before.contains(number) ? nil : before.isEmpty))
                twin.topics[number, default: []].insert(name)
            case 4..<7:
                let isLast = table.unsubscribe(known, from: name)
                #expect(isLast == (before.contains(number) ? before.count == 1 : nil))
                twin.topics[number]?.remove(name)
            default:
                let own = twin.topics.removeValue(forKey: number) ?? []
                #expect(Set(table.leave(known)) == own.filter { twin.subscribers(of: $0).isEmpty })
                subscribers[number] = nil
            }
            if step % 16 == 0 { check(table, twin, subscribers, names) }
        }
        for subscriber in subscribers.values { _ = table.leave(subscriber) }
        #expect(table.count == 0)
    }

    private func check(
        _ table: TopicTable, _ twin: Twin, _ subscribers: [Int: Subscriber], _ names: [String]
    ) {
        for name in names {
            let expected = twin.subscribers(of: name).map { ObjectIdentifier(subscribers[$0]!) }
            let entries = table[name]?.entries ?? []
            let listed = entries.map { ObjectIdentifier($0.subscriber.takeUnretainedValue()) }
            #expect(Set(listed) == Set(expected))
            #expect(listed.count == expected.count)
        }
        for (number, subscriber) in subscribers {
            #expect(
                Set(subscriber.memberships.map(\.topic.name)) == twin.topics[number] ?? [])
        }
    }
}
