import PubSub
import TestSupport
import Testing
import WebSocketProtocol
import WebSocketTesting

@testable import WebSocketServer

/// Delivery to connections that are lists, compared with a twin that sends each publication to each
/// subscriber in order.
@Suite("Delivery of publications") struct TopicDeliveryTests {
    private typealias Delivery = TopicDelivery<ListedConnection>

    /// The cork of a loop: what one connection has sent in a turn.
    private final class Cork {
        var owner: ListedConnection?
        var bytes: [UInt8] = []

        func flush() {
            guard let owner else { return }
            let bytes = self.bytes
            (self.owner, self.bytes) = (nil, [])
            owner.put(bytes)
        }
    }

    /// A connection that keeps what it was sent: as much as its kernel takes, the rest in its
    /// outbox.
    private final class ListedConnection: SubscriberConnection {
        let cork: Cork
        let delivery: Delivery
        private let codec = Codec()
        private(set) var subscriber: Subscriber!
        /// Bytes that the kernel takes before others go to the outbox.
        var kernelRoom = Int.max
        let outboxMax: Int
        private(set) var queued: [UInt8] = []
        /// The bytes that the peer has.
        private(set) var wire: [UInt8] = []
        private(set) var takesMessages = true
        /// Sends counted, as a connection does for its own counts.
        private(set) var messages = 0

        init(
            _ cork: Cork, _ delivery: Delivery, mode: EncodingMode, threshold: Int,
            windowBits: Int, outboxMax: Int
        ) {
            self.cork = cork
            self.delivery = delivery
            self.outboxMax = outboxMax
            subscriber = Subscriber(
                owner: self, mode: mode, threshold: threshold, windowBits: windowBits)
        }

        var hasOutbox: Bool { !queued.isEmpty }
        var outbox: SlowConsumers.Outbox {
            .init(count: queued.count, max: outboxMax, highWater: 6_000)
        }
        var corkOwner: Subscriber? { cork.owner?.subscriber }

        func put(_ bytes: some Collection<UInt8>) {
            let taken = hasOutbox ? 0 : min(kernelRoom, bytes.count)
            wire += bytes.prefix(taken)
            queued += bytes.dropFirst(taken)
            if kernelRoom < .max { kernelRoom -= taken }
        }

        private static func frame(_ message: [UInt8], _ kind: MessageKind) -> [UInt8] {
            let publication = Publication(message.span.bytes, as: kind, to: "")
            return withExtendedLifetime(publication) { Array(publication.frame) }
        }

        private func append(_ bytes: some Collection<UInt8>) {
            if hasOutbox { return put(bytes) }
            if cork.owner !== self { cork.flush() }
            cork.owner = self
            cork.bytes += bytes
        }

        func writeFrames(_ frames: UnsafeRawBufferPointer, count: Int, payloadCount: Int) {
            flushIfCorked()
            messages += count
            put(frames)
        }

        func appendFrame(_ frame: UnsafeRawBufferPointer, payloadCount: Int) {
            messages += 1
            append(frame)
        }

        func sendMessage(_ publication: Publication) {
            if subscriber.hasBacklog { Issue.record("sent before what waits") }
            sendQueued(publication)
        }

        func sendQueued(_ publication: Publication) {
            messages += 1
            append(publication.frame)
        }

        func sendQueued(_ message: [UInt8], _ kind: MessageKind, compresses: Bool) {
            messages += 1
            append(Self.frame(message, kind))
        }

        /// A message of its own, compressed by itself if `compresses`: its window is unknown then.
        func send(_ message: [UInt8], compresses: Bool) {
            if subscriber.hasBacklog {
                _ = delivery.queue(.own(message, .text, compresses: false), for: subscriber)
            } else if compresses, subscriber.mode == .shared || subscriber.mode == .standalone {
                let none = UnsafeRawBufferPointer(start: nil, count: 0)
                let bytes = message.withUnsafeBytes {
                    codec.deflate($0, after: none, windowBits: 9).map { Array($0) }!
                }
                append([0xC1, UInt8(bytes.count)] + bytes)
                subscriber.context = nil
            } else {
                append(Self.frame(message, .text))
            }
        }

        func flushIfCorked() { if cork.owner === self { cork.flush() } }

        func dropSlowConsumer() {
            takesMessages = false
            delivery.slow.forget(subscriber, andOutbox: true)
        }

        /// The kernel takes some of the outbox, and the connection goes on as ``ConnectionCore`` does.
        func drain(_ count: Int) {
            let taken = min(count, queued.count)
            wire += queued.prefix(taken)
            queued.removeFirst(taken)
            delivery.slow.updateOutboxShare(of: subscriber, outboxCount: queued.count)
            if takesMessages, queued.count <= outbox.highWater / 2 { delivery.resume(subscriber) }
        }

        /// The payloads that the peer reads.
        func read() throws -> [[UInt8]] {
            var payloads: [[UInt8]] = []
            let inflater = RawInflater(windowBits: 15)
            var rest = wire[...]
            while let first = rest.popFirst(), let short = rest.popFirst() {
                var size = Int(short)
                if short >= 126 {
                    let count = short == 126 ? 2 : 8
                    size = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
                    rest = rest.dropFirst(count)
                }
                let payload = Array(rest.prefix(size))
                rest = rest.dropFirst(size)
                guard first & 0x40 != 0 else {
                    payloads.append(payload)
                    continue
                }
                if subscriber.mode == .standalone { inflater.reset() }
                try #require(subscriber.mode != .plain && subscriber.mode != .ownContext)
                payload.withUnsafeBytes { payload in
                    payloads.append(inflater.inflate(payload).map { Array($0) } ?? [])
                }
            }
            return payloads
        }
    }

    /// A deflater and where it writes to.
    private final class Codec {
        private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 16)

        deinit { memory.deallocate() }

        func deflate(
            _ payload: UnsafeRawBufferPointer, after history: UnsafeRawBufferPointer,
            windowBits: Int
        ) -> UnsafeRawBufferPointer? {
            memory.deallocate()
            memory = .allocate(byteCount: Deflater.room(for: payload.count), alignment: 16)
            var deflater = Deflater(
                engine: .zlib, level: 1, windowBits: windowBits, memoryLevel: 5)
            let count = deflater.compress(payload, after: history, into: memory)
            return count.map { UnsafeRawBufferPointer(rebasing: memory[..<$0]) }
        }
    }

    /// A member, what the twin has sent it, and the topics that it has.
    private struct Member {
        let connection: ListedConnection
        var expected: [[UInt8]] = []
        var topics: Set<String> = []
    }

    private struct World {
        let cork = Cork()
        let budget = ByteBudget(max: 1 << 40)
        let delivery: Delivery
        var members: [Member] = []
        var random: SplitMix
        private var number = 0
        /// Publications times subscribers.
        var owed = 0

        init(seed: UInt64, outboxMax: Int, modes: [EncodingMode]) {
            random = SplitMix(seed)
            let codec = Codec()
            let contexts = SharedContexts(windowBits: 12) { payload, history, windowBits, _ in
                codec.deflate(payload, after: history, windowBits: windowBits)
            }
            delivery = Delivery(contexts: contexts, slow: SlowConsumers(budget: budget))
            for index in 0..<14 {
                let connection = ListedConnection(
                    cork, delivery, mode: modes[index % modes.count],
                    threshold: index % 3 == 0 ? 100 : 0, windowBits: index % 5 == 0 ? 9 : 15,
                    outboxMax: outboxMax)
                members.append(Member(connection: connection))
            }
        }

        mutating func chance(_ count: UInt64) -> Bool { random.next() % count == 0 }

        /// A payload that no other is like, and that compresses after its kind.
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

        /// All leave; nothing must be left of them.
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

    private static let allModes: [[EncodingMode]] = [
        [.plain], [.shared], [.shared, .standalone], EncodingMode.allCases,
        [.shared, .shared, .shared, .plain, .ownContext],
    ]

    @Test(
        "every subscriber reads each publication once, in order, whatever came between",
        arguments: 1...6 as ClosedRange<UInt64>, allModes)
    func everyone(seed: UInt64, modes: [EncodingMode]) throws {
        var world = World(seed: seed, outboxMax: .max / 2, modes: modes)
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
            #expect(payloads == member.expected)
        }
        let counts = world.delivery.counts
        #expect(counts.deliveries == UInt64(world.owed))
        #expect(counts.delayed > 0 && counts.dropped == 0 && counts.conflated == 0)
        world.end()
    }

    @Test(
        "a slow consumer misses what its topic's policy drops, and nothing else",
        arguments: 1...6 as ClosedRange<UInt64>, [SlowSubscriberPolicy.dropOldest, .conflate])
    func policies(seed: UInt64, policy: SlowSubscriberPolicy) throws {
        var world = World(seed: seed, outboxMax: 50_000, modes: EncodingMode.allCases)
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
        var world = World(seed: 1, outboxMax: 20_000, modes: EncodingMode.allCases)
        for index in world.members.indices { world.join(index, "all", .disconnect) }
        world.members[3].connection.kernelRoom = 100
        while world.members[3].connection.takesMessages { world.publish(["all"], count: 3) }
        for (index, member) in world.members.enumerated() where index != 3 {
            #expect(member.connection.takesMessages)
            let payloads = try member.connection.read()
            #expect(payloads == member.expected)
        }
        #expect(world.delivery.slow.count == 0)
        world.end()
    }
}
