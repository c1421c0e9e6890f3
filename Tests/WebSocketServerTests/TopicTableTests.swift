import Testing
import WebSocketTesting

@testable import WebSocketServer

@Suite("Topic table") struct TopicTableTests {
    /// The expected contents of a table, in a simple form.
    private struct Twin {
        var topics: [Int: Set<String>] = [:]

        func subscribers(of topic: String) -> Set<Int> {
            Set(topics.filter { $0.value.contains(topic) }.keys)
        }
    }

    @Test("Agrees with a set of pairs through joins, leaves and ends", arguments: 1...8)
    func twin(seed: UInt64) {
        var random = SplitMix(seed)
        var table = TopicTable()
        var twin = Twin()
        var subscribers: [Int: Subscriber] = [:]
        let names = (0..<12).map { "topic/\($0)" }
        for step in 0..<4_000 {
            let number = Int(random.next() % 20)
            let name = names[Int(random.next() % 12)]
            let known = subscribers[number] ?? Subscriber(connection: nil, mode: .plain)
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

@Suite("Waiting subscribers") struct WaitingSubscribersTests {
    private static func publication(_ size: Int) -> Backlog.Item {
        .publication(
            WaitingPublication(
                Publication([UInt8](repeating: 7, count: size).span.bytes, as: .text, to: "topic"),
                policy: .dropOldest))
    }

    @Test(
        "The subscriber with the most waiting is found, after additions and removals",
        arguments: 1...8)
    func twin(seed: UInt64) {
        var random = SplitMix(seed)
        var waiting = WaitingSubscribers()
        let subscribers = (0..<40).map { _ in Subscriber(connection: nil, mode: .plain) }
        for step in 0..<4_000 {
            let one = subscribers[Int(random.next() % 40)]
            if random.next() % 10 < (step / 500 % 2 == 0 ? 6 : 4) {
                _ = one.backlog.append(Self.publication(1 << Int(random.next() % 12)))
            } else {
                _ = one.backlog.takeFirst()
            }
            waiting.update(one)
            #expect(waiting.count == subscribers.filter { !$0.backlog.isEmpty }.count)
            let most = subscribers.map(\.backlog.size).max()!
            let other = subscribers[Int(random.next() % 40)]
            let slower = waiting.slower(than: other)
            #expect(slower?.backlog.size == (other.backlog.size < most ? most : nil))
        }
        for subscriber in subscribers {
            subscriber.backlog = Backlog()
            waiting.update(subscriber)
        }
        #expect(waiting.count == 0 && waiting.slower(than: subscribers[0]) == nil)
    }

    @Test("Among a thousand, one is found that has at least half of the most")
    func many() {
        var waiting = WaitingSubscribers()
        let subscribers = (0..<1_000).map { index in
            let subscriber = Subscriber(connection: nil, mode: .plain)
            _ = subscriber.backlog.append(Self.publication(1 + index * 7919 % 1_000))
            waiting.update(subscriber)
            return subscriber
        }
        let most = subscribers.map(\.backlog.size).max()!
        let least = subscribers.min { $0.backlog.size < $1.backlog.size }!
        #expect((waiting.slower(than: least)?.backlog.size ?? 0) * 2 >= most)
    }
}

@Suite("Backlog") struct BacklogTests {
    private typealias Item = Backlog.Item

    private static func publication(_ topic: String, _ key: String?, _ size: Int) -> Publication {
        Publication([UInt8](repeating: 7, count: size).span.bytes, as: .text, to: topic, key: key)
    }

    /// The same by plain searches through a list.
    private struct Twin {
        var items: [(item: Item, publication: Publication?, policy: SlowSubscriberPolicy?)] = []

        mutating func append(_ item: Item) -> Int? {
            var replaced: Int?
            if case .publication(let waiting) = item {
                let (new, policy) = (waiting.publication, waiting.policy)
                if policy == .conflate,
                    let index = items.firstIndex(where: {
                        $0.policy == .conflate && $0.publication?.topic == new.topic
                            && $0.publication?.key == new.key
                    })
                {
                    replaced = items.remove(at: index).item.size
                }
                items.append((item, new, policy))
            } else {
                items.append((item, nil, nil))
            }
            return replaced
        }

        mutating func dropOldest() -> Int? {
            items.firstIndex { $0.policy != nil && $0.policy != .disconnect }
                .map { items.remove(at: $0).item.size }
        }
    }

    private static func isSame(_ a: Item, _ b: Item) -> Bool {
        switch (a, b) {
        case (.publication(let a), .publication(let b)): a === b
        case (.own(let a, _, _), .own(let b, _, _)): a == b
        default: false
        }
    }

    @Test("Agrees with a plain list, whatever is added, taken or dropped", arguments: 1...8)
    func twin(seed: UInt64) {
        var random = SplitMix(seed)
        var backlog = Backlog()
        var twin = Twin()
        for step in 0..<6_000 {
            // Long phases of adding, and of taking.
            let adds = random.next() % 10 < (step / 500 % 2 == 0 ? 7 : 3)
            if adds {
                let size = Int(random.next() % 300)
                let policy = [SlowSubscriberPolicy.disconnect, .dropOldest, .conflate][
                    Int(random.next() % 3)]
                let key = random.next() % 4 == 0 ? nil : "\(random.next() % 5)"
                let item: Item =
                    random.next() % 6 == 0
                    ? .own(
                        [UInt8](repeating: UInt8(step & 255), count: size), .binary,
                        compresses: true)
                    : .publication(
                        WaitingPublication(
                            Self.publication("t\(random.next() % 3)", key, size), policy: policy))
                #expect(backlog.append(item) == twin.append(item))
            } else if random.next() % 3 == 0 {
                #expect(backlog.dropOldest() == twin.dropOldest())
            } else {
                let expected = twin.items.isEmpty ? nil : twin.items.removeFirst().item
                let taken = backlog.takeFirst()
                #expect((taken == nil) == (expected == nil))
                if let taken, let expected { #expect(Self.isSame(taken, expected)) }
            }
            #expect(backlog.count == twin.items.count)
            #expect(backlog.size == twin.items.reduce(0) { $0 + $1.item.size })
            #expect(backlog.isEmpty == twin.items.isEmpty)
        }
    }
}
