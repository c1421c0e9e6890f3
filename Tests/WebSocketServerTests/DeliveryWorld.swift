import PubSub
import Testing
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// A subscriber, what the twin has sent to it, and its topics.
struct DeliveryMember {
    let connection: ListedConnection
    var expected: [[UInt8]] = []
    var topics: Set<String> = []
}

struct DeliveryWorld {
    let cork = ListedCork()
    let budget = ByteBudget(max: 1 << 40)
    let delivery: TopicDelivery<ListedConnection>
    var members: [DeliveryMember] = []
    var random: SplitMix
    private var number = 0
    /// The number of deliveries that the twin has made.
    var owed = 0

    init(seed: UInt64, outboxMax: Int, modes: [EncodingMode]) {
        random = SplitMix(seed)
        let codec = PayloadDeflater()
        let contexts = SharedContexts(windowBits: 12) { payload, history, windowBits, _ in
            codec.deflate(payload, after: history, windowBits: windowBits)
        }
        delivery = TopicDelivery(contexts: contexts, slow: SlowConsumers(budget: budget))
        for index in 0..<14 {
            let connection = ListedConnection(
                cork, delivery, mode: modes[index % modes.count],
                threshold: index % 3 == 0 ? 100 : 0, windowBits: index % 5 == 0 ? 9 : 15,
                outboxMax: outboxMax)
            members.append(DeliveryMember(connection: connection))
        }
    }

    mutating func chance(_ count: UInt64) -> Bool { random.next() % count == 0 }

    /// Returns a payload that differs from all others, and compresses well after others.
    mutating func payload(long: Bool = true) -> [UInt8] {
        number += 1
        let size = long && chance(24) ? 40_000 : Int(random.next() % 300)
        let quote = "a quote of \(random.next() % 9), "
        return Array(("\(number) " + String(repeating: quote, count: size / 14)).utf8)
    }

    mutating func join(_ index: Int, _ topic: String, _ policy: SlowSubscriberPolicy) {
        members[index].topics.insert(topic)
        _ = delivery.table.subscribe(
            members[index].connection.subscriber, to: topic, policy: policy)
    }

    mutating func unsubscribe(_ index: Int, _ topic: String) {
        members[index].topics.remove(topic)
        _ = delivery.table.unsubscribe(members[index].connection.subscriber, from: topic)
    }

    mutating func publish(_ topics: [String], count: Int) {
        let batch = (0..<count).map { _ in
            let topic = topics[Int(random.next() % UInt64(topics.count))]
            let bytes = payload()
            for index in members.indices where members[index].topics.contains(topic) {
                members[index].expected.append(bytes)
                owed += 1
            }
            return Publication(
                bytes.span.bytes, as: .text, to: topic, key: "\(bytes[0] % 3)")
        }
        delivery.deliver(batch)
        cork.flush()
    }

    mutating func sendOwn(_ index: Int) {
        let bytes = Array(payload(long: false).prefix(100))
        members[index].expected.append(bytes)
        // So long, it shrinks.
        let compresses = chance(2) && bytes.count > 60
        members[index].connection.send(bytes, compresses: compresses)
        cork.flush()
    }

    mutating func drainAll() {
        for member in members {
            member.connection.kernelRoom = .max
            while member.connection.hasOutbox {
                member.connection.drain(.max)
                cork.flush()
            }
        }
    }

    /// Ends all subscriptions, and checks that nothing is left of them.
    mutating func end() {
        for member in members {
            _ = delivery.table.leave(member.connection.subscriber)
            delivery.slow.forget(member.connection.subscriber, andOutbox: true)
            member.connection.subscriber.context = nil
        }
        #expect(delivery.leftovers == 0)
        #expect(budget.bytesUsed == 0)
    }
}
