public import WebSocketServer

/// What every ``Broker`` must do, checked on brokers that are connected: one for the one in
/// memory, several servers' for others.
public struct BrokerConformance: Sendable {
    /// What a broker did wrong.
    public struct Fault: Error, CustomStringConvertible {
        public let description: String
    }

    private struct Received: Sendable, Hashable {
        let topic: String
        let kind: MessageKind
        let key: String?
        let payload: [UInt8]

        init(_ publication: Publication) {
            topic = publication.topic
            kind = publication.kind
            key = publication.key
            payload = publication.withPayload { unsafe $0.withUnsafeBytes { unsafe [UInt8]($0) } }
        }
    }

    private let brokers: [any Broker]
    private let received: [Reports<Received>]

    /// Starts the brokers, which no one else has, and which can reach what is between them.
    public init(_ brokers: [any Broker]) {
        self.brokers = brokers
        let received = brokers.map { _ in Reports<Received>() }
        self.received = received
        for (broker, reports) in zip(brokers, received) {
            broker.start { event in
                if case .publication(let publication) = event { reports.add(Received(publication)) }
            }
        }
    }

    /// Runs all checks, and stops the brokers.
    public func run() async throws {
        try await carriesAnything()
        try await keepsOneOrder()
        try await refusesAfterStop()
    }

    private func publish(
        _ payload: [UInt8], as kind: MessageKind = .binary, to topic: String, key: String? = nil,
        by broker: any Broker
    ) async throws -> Received {
        let publication = unsafe Publication(
            payload.span.bytes, as: kind, to: topic, key: key)
        let error: BrokerError? = await withCheckedContinuation { continuation in
            broker.publish(publication) { continuation.resume(returning: $0) }
        }
        if let error { throw error }
        return Received(publication)
    }

    /// Subscribes all, and waits until that has taken effect everywhere: until each server gets
    /// what is published from then on.
    private func subscribeAll(to topic: String) async throws {
        for broker in brokers { broker.subscribe(to: topic) }
        try await within(.seconds(30), "subscribing to \(topic)") {
            var seen = Set<Int>()
            while seen.count < brokers.count {
                try Task.checkCancellation()
                // Answered by the broker, so this doesn't spin faster than it works.
                _ = try await publish(Array("probe".utf8), to: topic, by: brokers[0])
                for (number, reports) in received.enumerated()
                where reports.all.contains(where: { $0.topic == topic }) { seen.insert(number) }
            }
        }
        let last = try await publish(Array("last probe".utf8), to: topic, by: brokers[0])
        for reports in received { try await reports.next { $0 == last } }
    }

    /// Every server gets each publication as it was made, once, its publisher included.
    private func carriesAnything() async throws {
        try await subscribeAll(to: "conformance/any")
        let payloads: [[UInt8]] = [
            [], [0], Array("grüße\r\n\0".utf8), (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0) },
        ]
        for (index, payload) in payloads.enumerated() {
            for key in [nil, "", "a key: 1"] {
                let expected = try await publish(
                    payload, as: index % 2 == 0 ? .text : .binary, to: "conformance/any",
                    key: key, by: brokers[index % brokers.count])
                for (number, reports) in received.enumerated() {
                    let got = try await reports.next()
                    guard got == expected else {
                        throw Fault(
                            description: "server \(number) got another publication than number "
                                + "\(index) with key \(key ?? "nil")")
                    }
                }
            }
        }
        for broker in brokers { broker.unsubscribe(from: "conformance/any") }
    }

    /// Publishers on all servers at once: all servers see the same order, and each publisher's own.
    private func keepsOneOrder() async throws {
        let (publishers, each, topic) = (8, 50, "conformance/order")
        try await subscribeAll(to: topic)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for publisher in 0..<publishers {
                tasks.addTask {
                    for count in 0..<each {
                        _ = try await publish(
                            [UInt8(publisher), UInt8(count)], to: topic,
                            by: brokers[publisher % brokers.count])
                    }
                }
            }
            try await tasks.waitForAll()
        }
        var orders: [[[UInt8]]] = []
        for reports in received {
            var order: [[UInt8]] = []
            for _ in 0..<publishers * each { order.append(try await reports.next().payload) }
            orders.append(order)
        }
        guard orders.allSatisfy({ $0 == orders[0] }) else {
            throw Fault(description: "two servers saw a topic in different orders")
        }
        for publisher in 0..<publishers {
            let own = orders[0].filter { $0[0] == UInt8(publisher) }.map { Int($0[1]) }
            guard own == Array(0..<each) else {
                throw Fault(description: "publisher \(publisher)'s were seen as \(own)")
            }
        }
        for broker in brokers { broker.unsubscribe(from: topic) }
    }

    private func refusesAfterStop() async throws {
        for (number, broker) in brokers.enumerated() where !broker.health.isReady {
            throw Fault(description: "broker \(number) isn't ready: \(broker.health.description)")
        }
        for broker in brokers { await broker.stop() }
        do {
            _ = try await publish([1], to: "conformance/any", by: brokers[0])
        } catch let error as BrokerError where error.code == .stopped {
            return
        }
        throw Fault(description: "a stopped broker took a publication")
    }
}
