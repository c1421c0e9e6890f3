import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

@Suite("Hub") struct HubTests {
    /// The publications that each loop has taken, one entry for each wake-up.
    private final class Taken: Sendable {
        let batches: Locked<[[[Publication]]]>
        let done = Reports<Int>()
        private let hub = Locked<Hub?>(nil)

        init(loops: Int) { batches = Locked(Array(repeating: [], count: loops)) }

        func make(_ loops: [EventLoop]) -> Hub {
            let hub = Hub(loops: loops, budget: ByteBudget(max: 1 << 20)) { self.take(on: $0) }
            self.hub.withLock { $0 = hub }
            return hub
        }

        func take(on loop: Int) {
            var batch: [Publication] = []
            hub.value!.take(for: loop, into: &batch)
            batches.withLock { $0[loop].append(batch) }
            if batch.last?.key == "last" { done.add(loop) }
        }

        func forgetHub() { hub.withLock { $0 = nil } }
    }

    private static let count = 100

    private static let publications = (1...count).map {
        Publication(
            [UInt8($0)].span.bytes, as: .binary, to: "topic", key: $0 == count ? "last" : nil)
    }

    @Test("Loops with subscribers are woken once per turn, others aren't")
    func wakes() async throws {
        let group = try EventLoopGroup(count: 3)
        let taken = Taken(loops: 3)
        let hub = taken.make(group.loops)
        hub.add(0, to: "topic") {}
        hub.add(2, to: "topic") {}
        hub.add(1, to: "other") {}
        // All in one turn of the first loop. The last loop may take them a few at a time.
        #expect(
            group.loops[0].execute {
                for publication in Self.publications { _ = hub.publish(publication) }
            })
        #expect(Set([try await taken.done.next(), try await taken.done.next()]) == [0, 2])
        let batches = taken.batches.value
        #expect(batches[0].count == 1)
        #expect(batches[1].isEmpty)
        for loop in [0, 2] {
            #expect(batches[loop].allSatisfy { !$0.isEmpty })
            #expect(batches[loop].joined().map(\.id) == Self.publications.map(\.id))
        }
        #expect(hub.hasRoom)
        #expect(hub.topicCount == 2)
        for loop in [0, 2] { hub.remove(loop, from: "topic") {} }
        #expect(hub.publish(Self.publications[0]))
        #expect(group.shutdown() == 0)
        #expect(taken.batches.value.map(\.count) == batches.map(\.count))
        taken.forgetHub()
    }

    @Test("The broker is informed of the first loop and the last loop of a topic")
    func firstAndLast() throws {
        let group = try EventLoopGroup(count: 1)
        let hub = Hub(loops: group.loops, budget: ByteBudget(max: 1)) { _ in }
        var heard: [String] = []
        hub.add(0, to: "a") { heard.append("+a") }
        hub.add(1, to: "a") { heard.append("again") }
        hub.add(1, to: "b") { heard.append("+b") }
        hub.remove(0, from: "a") { heard.append("early") }
        hub.remove(1, from: "a") { heard.append("-a") }
        hub.remove(1, from: "b") { heard.append("-b") }
        #expect(heard == ["+a", "+b", "-a", "-b"])
        #expect(hub.topicCount == 0)
        #expect(group.shutdown() == 0)
    }
}
