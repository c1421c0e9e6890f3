import Testing
import WebSocketProtocol
import LiveTesting

@testable import PubSub

@Suite("Backlog") struct BacklogTests {
    private typealias Item = Backlog.Item

    private static func publication(_ topic: String, _ key: String?, _ size: Int) -> Publication {
        Publication([UInt8](repeating: 7, count: size).span.bytes, as: .text, to: topic, key: key)
    }

    /// A twin of the backlog that searches a plain list.
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

    @Test("agrees with a plain list, whatever is added, taken, dropped", arguments: 1...8)
    func twin(seed: UInt64) {
        var random = SplitMix(seed)
        var backlog = Backlog()
        var twin = Twin()
        for step in 0..<6_000 {
            // Long stretches of adding, then of taking.
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
