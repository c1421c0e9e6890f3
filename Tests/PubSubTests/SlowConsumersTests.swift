import Testing
import WebSocketProtocol
import LiveTesting

@testable import PubSub

/// Compares slow consumers with a twin that searches plain lists.
@Suite("Slow consumers") struct SlowConsumersTests {
    private typealias Item = Backlog.Item

    private final class Budget: BacklogBudget {
        let max: Int
        var used = 0

        init(max: Int) { self.max = max }

        var hasRoom: Bool { used <= max }
        func add(_ count: Int) { used += count }
        func give(_ count: Int) { used -= count }
    }

    /// The twin's view of a subscriber and its connection's outbox.
    private struct Consumer {
        struct Waiting {
            let item: Item
            let publication: Publication?
            let policy: SlowSubscriberPolicy?
        }

        static let outboxMax = 20_000
        static let highWater = 4_000

        var items: [Waiting] = []
        var outbox = 0
        /// The maximum bytes of publications in the outbox.
        var share = 0

        var size: Int { items.reduce(0) { $0 + $1.item.size } }
        var isFull: Bool { outbox + size > Self.outboxMax }

        mutating func dropOldest() -> Bool {
            guard let index = items.firstIndex(where: { $0.policy ?? .disconnect != .disconnect })
            else { return false }
            items.remove(at: index)
            return true
        }
    }

    /// A twin that keeps the promises of ``SlowConsumers`` in the simplest way.
    private struct Twin {
        let max: Int
        var consumers: [Consumer]
        var evicted: [Int] = []
        var delayed = 0
        var dropped = 0
        var conflated = 0

        var used: Int { consumers.reduce(0) { $0 + $1.size + $1.share } }
        var hasRoom: Bool { used <= max }

        /// Whether two consumers have backlogs of the same size.
        var hasTie: Bool {
            let sizes = consumers.map(\.size).filter { $0 > 0 }
            return Set(sizes).count < sizes.count
        }

        /// Returns the consumer with the largest backlog; `nil` if that is this one.
        func slower(than index: Int) -> Int? {
            let most = consumers.indices.max { consumers[$0].size < consumers[$1].size }!
            return consumers[most].size > consumers[index].size ? most : nil
        }

        mutating func makeRoom(before index: Int) {
            guard let slower = slower(than: index) else { return }
            while !hasRoom, consumers[slower].dropOldest() { dropped += 1 }
            if !hasRoom, consumers[slower].items.contains(where: { $0.publication != nil }) {
                evicted.append(slower)
                consumers[slower] = Consumer()
            }
        }

        mutating func queue(_ new: Consumer.Waiting, for index: Int) -> SlowConsumers.Outcome {
            let needsRoom = new.publication != nil
            if needsRoom, !hasRoom, !consumers[index].isFull { makeRoom(before: index) }
            while consumers[index].isFull || needsRoom && !hasRoom {
                if consumers[index].dropOldest() {
                    dropped += 1
                } else if let policy = new.policy, policy != .disconnect {
                    dropped += 1
                    return .dropped
                } else {
                    return .disconnect
                }
            }
            let same = consumers[index].items.firstIndex {
                new.policy == .conflate && $0.policy == .conflate
                    && $0.publication?.topic == new.publication?.topic
                    && $0.publication?.key == new.publication?.key
            }
            if let same {
                consumers[index].items.remove(at: same)
                conflated += 1
            } else if needsRoom {
                delayed += 1
            }
            consumers[index].items.append(new)
            return .queued
        }

        mutating func chargeUnsent(of index: Int) -> SlowConsumers.Outcome {
            if !hasRoom { makeRoom(before: index) }
            let hadRoom = hasRoom
            updateShare(of: index, added: consumers[index].outbox)
            return hadRoom || consumers[index].share <= Consumer.highWater ? .queued : .disconnect
        }

        mutating func updateShare(of index: Int, added: Int = 0) {
            consumers[index].share = min(consumers[index].share + added, consumers[index].outbox)
        }
    }

    /// The slow consumers and their twin, side by side.
    private struct World {
        let budget: Budget
        let slow: SlowConsumers
        let subscribers: [Subscriber]
        var twin: Twin
        var evicted: [Int] = []

        init(count: Int, budget max: Int) {
            budget = Budget(max: max)
            slow = SlowConsumers(budget: budget)
            subscribers = (0..<count).map { _ in Subscriber(owner: nil, mode: .plain) }
            twin = Twin(max: max, consumers: Array(repeating: Consumer(), count: count))
        }

        func outbox(_ index: Int) -> SlowConsumers.Outbox {
            .init(
                count: twin.consumers[index].outbox, max: Consumer.outboxMax,
                highWater: Consumer.highWater)
        }

        mutating func evict(_ subscriber: Subscriber) {
            evicted.append(subscribers.firstIndex { $0 === subscriber }!)
            slow.forget(subscriber, andOutbox: true)
        }

        /// Replaces a closed connection by a new one.
        mutating func disconnect(_ index: Int) {
            slow.forget(subscribers[index], andOutbox: true)
            twin.consumers[index] = Consumer()
        }

        mutating func queue(_ new: Consumer.Waiting, for index: Int) {
            let outbox = outbox(index)
            let outcome = slow.queue(new.item, for: subscribers[index], outbox: outbox) {
                evict($0)
            }
            #expect(outcome == twin.queue(new, for: index))
            if outcome == .disconnect { disconnect(index) }
        }

        mutating func chargeUnsent(_ count: Int, of index: Int) {
            twin.consumers[index].outbox = count
            let outbox = outbox(index)
            let outcome = slow.chargeUnsent(of: subscribers[index], outbox: outbox) { evict($0) }
            #expect(outcome == twin.chargeUnsent(of: index))
            if outcome == .disconnect { disconnect(index) }
        }

        /// Takes bytes from an outbox.
        mutating func shrink(_ index: Int, by count: Int) {
            twin.consumers[index].outbox -= min(count, twin.consumers[index].outbox)
            twin.updateShare(of: index)
            slow.updateOutboxShare(
                of: subscribers[index], outboxCount: twin.consumers[index].outbox)
        }

        /// Sends queued publications until the outbox is above its high-water mark.
        mutating func resume(_ index: Int) {
            let before = twin.consumers[index].outbox
            while twin.consumers[index].outbox <= Consumer.highWater {
                let item = slow.takeFirst(of: subscribers[index])
                let expected = twin.consumers[index].items.first
                #expect(item?.size == expected?.item.size)
                guard let expected else { break }
                twin.consumers[index].items.removeFirst()
                twin.consumers[index].outbox += expected.item.size
            }
            let outbox = twin.consumers[index].outbox
            twin.updateShare(of: index, added: outbox - before)
            slow.updateOutboxShare(
                of: subscribers[index], outboxCount: outbox, added: outbox - before)
        }

        /// Returns whether both agree.
        func check() -> Bool {
            let agree =
                budget.used == twin.used && evicted == twin.evicted
                && slow.delayed == UInt64(twin.delayed) && slow.dropped == UInt64(twin.dropped)
                && slow.conflated == UInt64(twin.conflated)
                && slow.count == twin.consumers.count { !$0.items.isEmpty }
                && zip(subscribers, twin.consumers).allSatisfy { subscriber, consumer in
                    subscriber.backlog.size == consumer.size
                        && subscriber.backlog.count == consumer.items.count
                        && subscriber.outboxShare == consumer.share
                }
            #expect(agree)
            return agree
        }
    }

    private static let topics: [(name: String, policy: SlowSubscriberPolicy)] = [
        ("a", .disconnect), ("b", .dropOldest), ("c", .conflate), ("d", .conflate),
    ]

    private static func publication(_ random: inout SplitMix) -> Consumer.Waiting {
        let topic = topics[Int(random.next() % UInt64(topics.count))]
        let key = random.next() % 4 == 0 ? nil : "\(random.next() % 2)"
        let payload = [UInt8](repeating: 7, count: Int(random.next() % 3_000))
        let publication = Publication(payload.span.bytes, as: .binary, to: topic.name, key: key)
        return .init(
            item: .publication(WaitingPublication(publication, policy: topic.policy)),
            publication: publication, policy: topic.policy)
    }

    private static func message(_ random: inout SplitMix) -> Consumer.Waiting {
        let bytes = [UInt8](repeating: 7, count: Int(random.next() % 3_000))
        return .init(
            item: .own(bytes, .binary, compresses: true), publication: nil, policy: nil)
    }

    @Test(
        "agree with a twin that searches plain lists, whatever comes",
        arguments: 1...6 as ClosedRange<UInt64>,
        [30_000, 60_000])
    func twin(seed: UInt64, budget: Int) {
        var random = SplitMix(seed)
        var world = World(count: 12, budget: budget)
        for step in 0..<2_000 {
            let index = Int(random.next() % 12)
            // Of two consumers with equal backlogs, either may be evicted: the twin can't predict
            // which.
            if world.twin.hasTie { world.disconnect(index) }
            let consumer = world.twin.consumers[index]
            // In long stretches, more is queued than sent, or more is sent than queued.
            switch random.next() % (step / 300 % 2 == 0 ? 12 : 20) {
            case 0..<7:
                if consumer.outbox == 0, consumer.items.isEmpty {
                    world.chargeUnsent(1 + Int(random.next() % 6_000), of: index)
                } else {
                    world.queue(Self.publication(&random), for: index)
                }
            case 7: if consumer.outbox > 0 { world.queue(Self.message(&random), for: index) }
            case 8: world.disconnect(index)
            default:
                world.shrink(index, by: Int(random.next() % 5_000))
                if world.twin.consumers[index].outbox <= Consumer.highWater / 2 {
                    world.resume(index)
                }
            }
            guard world.check() else { return }
        }
        #expect(world.twin.dropped > 20 && world.twin.conflated > 0)
        #expect(!world.evicted.isEmpty)
        for index in world.subscribers.indices { world.disconnect(index) }
        #expect(world.budget.used == 0 && world.slow.count == 0)
    }
}
