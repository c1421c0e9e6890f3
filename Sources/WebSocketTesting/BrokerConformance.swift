public import WebSocketServer

/// The requirements of every ``Broker``, checked on brokers that are connected with each other. For
/// a broker in memory, that is a single one; otherwise, several servers' brokers.
public struct BrokerConformance: Sendable {
    /// A violated requirement.
    public struct Fault: Error, CustomStringConvertible {
        public let description: String
    }

    private struct Received: Sendable, Hashable {
        // Bytes, because equal strings may have different spellings.
        let topic: [UInt8]
        let kind: MessageKind
        let key: [UInt8]?
        let payload: [UInt8]

        init(_ publication: Publication) {
            topic = Array(publication.topic.utf8)
            kind = publication.kind
            key = publication.key.map { Array($0.utf8) }
            payload = publication.withPayload { unsafe $0.withUnsafeBytes { unsafe [UInt8]($0) } }
        }
    }

    private let brokers: [any Broker]
    private let receivesAll: Bool
    private let breakConnection: (@Sendable () async throws -> Void)?
    private let received: [Reports<Received>]
    /// The results of a publication that was made before the start.
    private let early: Reports<BrokerError?>
    /// The other events of each broker.
    private let told: [Reports<BrokerEvent>]

    /// Starts the brokers. Nothing else may use them, and they must be able to connect.
    ///
    /// - Parameters:
    ///   - receivesAll: Whether the brokers also deliver topics without a subscription, which their
    ///     servers then drop. If so, the end of delivery after unsubscribing isn't checked.
    ///   - breakConnection: Breaks all subscriptions of the brokers, but lets them reconnect.
    ///     Without it, gaps aren't checked.
    public init(
        _ brokers: [any Broker], receivesAll: Bool = false,
        breakConnection: (@Sendable () async throws -> Void)? = nil
    ) {
        self.brokers = brokers
        self.receivesAll = receivesAll
        self.breakConnection = breakConnection
        let received = brokers.map { _ in Reports<Received>() }
        self.received = received
        let told = brokers.map { _ in Reports<BrokerEvent>() }
        self.told = told
        let early = Reports<BrokerError?>()
        self.early = early
        brokers[0].publish(unsafe Publication([1].span.bytes, as: .binary, to: "conformance/early"))
        {
            early.add($0)
        }
        for (number, broker) in brokers.enumerated() {
            broker.start { event in
                switch event {
                case .publication(let publication), .offer(let publication):
                    received[number].add(Received(publication))
                case .gap, .restored: told[number].add(event)
                }
                return nil
            }
        }
    }

    /// Runs all checks, and stops the brokers. It may be called once.
    ///
    /// - Throws: ``Fault`` if a broker violates a requirement; ``DeadlineError`` if it doesn't
    ///   deliver in time; `BrokerError` if it refuses a publication.
    public func run() async throws {
        try await takesEarlyPublications()
        try await carriesAnything()
        try await keepsOneOrder()
        try await tellsSpellingsApart()
        try await endsWithUnsubscribe()
        try await tellsOfGaps()
        try await refusesAfterStop()
    }

    private func publish(
        _ payload: [UInt8], as kind: MessageKind = .binary, to topic: String, key: String? = nil,
        by broker: any Broker
    ) async throws -> Received {
        let publication = Publication(payload, as: kind, to: topic, key: key)
        let error: BrokerError? = await withCheckedContinuation { continuation in
            broker.publish(publication) { continuation.resume(returning: $0) }
        }
        if let error { throw error }
        return Received(publication)
    }

    /// Subscribes all brokers. Waits until each of them receives publications.
    private func subscribeAll(to topic: String) async throws {
        for broker in brokers { broker.subscribe(to: topic) }
        try await within(.seconds(120), "subscribing to \(topic)") {
            var seen = Set<Int>()
            while seen.count < brokers.count {
                try Task.checkCancellation()
                // The broker answers each publication, so this loop is no faster than the broker.
                _ = try await publish(Array("probe".utf8), to: topic, by: brokers[0])
                for (number, reports) in received.enumerated()
                where reports.all.contains(where: { $0.topic == Array(topic.utf8) }) {
                    seen.insert(number)
                }
            }
        }
        let last = try await publish(Array("last probe".utf8), to: topic, by: brokers[0])
        for reports in received { try await reports.next { $0 == last } }
    }

    /// Checks that every server receives a last publication next, and nothing twice before it.
    private func nothingIsLeft(of topic: String) async throws {
        let end = try await publish(Array("the end".utf8), to: topic, by: brokers[0])
        for (number, reports) in received.enumerated() {
            guard try await reports.next() == end else {
                throw Fault(description: "server \(number) received too much of \(topic)")
            }
        }
    }

    /// Checks that every server receives each publication unchanged and once, including the
    /// publisher's own server.
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
                            description: "server \(number) received another one than number "
                                + "\(index) with key \(key ?? "nil")")
                    }
                }
            }
        }
        try await nothingIsLeft(of: "conformance/any")
        for broker in brokers { broker.unsubscribe(from: "conformance/any") }
    }

    /// Checks that all servers receive the publications of all publishers in one order, which keeps
    /// each publisher's own order.
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
            throw Fault(description: "two servers received a topic in different orders")
        }
        for publisher in 0..<publishers {
            let own = orders[0].filter { $0[0] == UInt8(publisher) }.map { Int($0[1]) }
            guard own == Array(0..<each) else {
                throw Fault(description: "publisher \(publisher)'s order was received as \(own)")
            }
        }
        try await nothingIsLeft(of: topic)
        for broker in brokers { broker.unsubscribe(from: topic) }
    }

    /// Checks that canonically equivalent names are different topics.
    private func tellsSpellingsApart() async throws {
        let (composed, decomposed) = ("conformance/\u{E9}", "conformance/e\u{301}")
        try await subscribeAll(to: composed)
        for broker in brokers { broker.unsubscribe(from: decomposed) }
        let other = try await publish([1], to: decomposed, by: brokers[0])
        let own = try await publish([2], to: composed, by: brokers[0])
        for (number, reports) in received.enumerated() {
            var got = try await reports.next()
            if receivesAll, got == other { got = try await reports.next() }
            guard got == own else {
                throw Fault(description: "server \(number) received another spelling of its topic")
            }
        }
        for broker in brokers { broker.unsubscribe(from: composed) }
    }

    /// Checks that a server receives nothing some time after it has unsubscribed, while the others
    /// still do.
    private func endsWithUnsubscribe() async throws {
        if receivesAll { return }
        let (topic, control) = ("conformance/left", "conformance/stays")
        try await subscribeAll(to: topic)
        try await subscribeAll(to: control)
        brokers[0].unsubscribe(from: topic)
        let last = try await within(.seconds(120), "unsubscribing") {
            for round in 1... {
                let bytes = Array("\(round)".utf8)
                let left = try await publish(bytes, to: topic, by: brokers.last!)
                let end = try await publish(bytes, to: control, by: brokers.last!)
                var isDelivered = false
                while case let got = try await received[0].next(), got != end {
                    if got == left { isDelivered = true }
                }
                if !isDelivered { return (left, end) }
            }
            fatalError("the integers ended before the deadline")
        }
        for reports in received.dropFirst() {
            try await reports.next { $0 == last.0 }
            try await reports.next { $0 == last.1 }
        }
        for broker in brokers { broker.unsubscribe(from: control) }
        for broker in brokers.dropFirst() { broker.unsubscribe(from: topic) }
    }

    /// Checks that a loss of the subscriptions is reported, and their end once they are in effect
    /// again.
    private func tellsOfGaps() async throws {
        guard let breakConnection else { return }
        let topic = "conformance/gap"
        try await subscribeAll(to: topic)
        try await breakConnection()
        for (number, told) in told.enumerated() {
            guard case .gap = try await told.next(), case .restored = try await told.next() else {
                throw Fault(description: "server \(number) did not receive a gap and its end")
            }
        }
        try await nothingIsLeft(of: topic)
        for broker in brokers { broker.unsubscribe(from: topic) }
    }

    private func takesEarlyPublications() async throws {
        guard let error = try await early.next() else { return }
        throw Fault(description: "a publication before the start was refused: \(error)")
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
        throw Fault(description: "a stopped broker accepted a publication")
    }
}
