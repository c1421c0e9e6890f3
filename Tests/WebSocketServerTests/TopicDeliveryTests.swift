import PubSub
import Testing
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// Delivery to connections that are lists, compared with a twin that sends each publication to each
/// subscriber in order.
@Suite("Delivery of publications") struct TopicDeliveryTests {
    private static let allModes: [[EncodingMode]] = [
        [.plain], [.shared], [.shared, .standalone], EncodingMode.allCases,
        [.shared, .shared, .shared, .plain, .ownContext],
    ]

    @Test(
        "every subscriber reads each publication once, in order, whatever came between",
        arguments: 1...3 as ClosedRange<UInt64>, allModes)
    func everyone(seed: UInt64, modes: [EncodingMode]) throws {
        var world = DeliveryWorld(seed: seed, outboxMax: .max / 2, modes: modes)
        let topics = ["all", "some", "few"]
        for index in world.members.indices { world.join(index, "all", .disconnect) }
        for _ in 0..<160 {
            let index = Int(world.random.next() % UInt64(world.members.count))
            switch world.random.next() % 12 {
            case 0: world.sendOwn(index)
            case 1: world.join(index, topics[1 + Int(world.random.next() % 2)], .disconnect)
            case 2: world.unsubscribe(index, topics[Int(world.random.next() % 3)])
            case 3: world.join(index, "all", .disconnect)
            case 4: world.members[index].connection.kernelRoom = Int(world.random.next() % 9_000)
            case 5, 6:
                world.members[index].connection.drain(Int(world.random.next() % 9_000))
                world.cork.flush()
            case 7: world.publish([topics[1 + Int(world.random.next() % 2)]], count: 1)
            case 8: world.publish(topics, count: 1 + Int(world.random.next() % 12))
            default: world.publish(["all"], count: 1 + Int(world.random.next() % 12))
            }
        }
        world.drainAll()
        for member in world.members {
            let payloads = try member.connection.read()
            // Not within the expectation, which would print them all.
            let agrees = payloads == member.expected
            #expect(agrees)
        }
        let counts = world.delivery.counts
        #expect(counts.deliveries == UInt64(world.owed))
        #expect(counts.delayed > 0 && counts.dropped == 0 && counts.conflated == 0)
        world.end()
    }

    @Test(
        "a slow consumer misses what its topic's policy drops, and nothing else",
        arguments: 1...3 as ClosedRange<UInt64>, [SlowSubscriberPolicy.dropOldest, .conflate])
    func policies(seed: UInt64, policy: SlowSubscriberPolicy) throws {
        var world = DeliveryWorld(seed: seed, outboxMax: 50_000, modes: EncodingMode.allCases)
        for index in world.members.indices { world.join(index, "all", policy) }
        for _ in 0..<150 {
            let index = Int(world.random.next() % UInt64(world.members.count))
            switch world.random.next() % 6 {
            case 0: world.members[index].connection.kernelRoom = Int(world.random.next() % 3_000)
            case 1:
                world.members[index].connection.drain(Int(world.random.next() % 9_000))
                world.cork.flush()
            default: world.publish(["all"], count: 1 + Int(world.random.next() % 4))
            }
        }
        world.drainAll()
        var received = 0
        for member in world.members {
            let payloads = try member.connection.read()
            received += payloads.count
            var rest = member.expected[...]
            for payload in payloads {
                let place = try #require(rest.firstIndex(of: payload), "out of order")
                rest = rest[(place + 1)...]
            }
            #expect(member.connection.messages == payloads.count)
        }
        let counts = world.delivery.counts
        #expect(counts.deliveries == UInt64(received))
        #expect(counts.dropped + counts.conflated == UInt64(world.owed - received))
        #expect(policy == .conflate ? counts.conflated > 0 : counts.dropped > 0)
        world.end()
    }

    @Test("a slow consumer of a topic that may drop nothing is disconnected, and no one else")
    func disconnects() throws {
        var world = DeliveryWorld(seed: 1, outboxMax: 20_000, modes: EncodingMode.allCases)
        for index in world.members.indices { world.join(index, "all", .disconnect) }
        world.members[3].connection.kernelRoom = 100
        while world.members[3].connection.takesMessages { world.publish(["all"], count: 3) }
        for (index, member) in world.members.enumerated() where index != 3 {
            #expect(member.connection.takesMessages)
            let payloads = try member.connection.read()
            // Not within the expectation, which would print them all.
            let agrees = payloads == member.expected
            #expect(agrees)
        }
        #expect(world.delivery.slow.count == 0)
        world.end()
    }
}
