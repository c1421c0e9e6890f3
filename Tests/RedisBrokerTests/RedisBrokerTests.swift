import Foundation
import Logging
import RedisBroker
import Testing
import WebSocketServer
import LiveTesting

/// The broker with a real Redis.
@Suite(.serialized) struct RedisBrokerTests {
    @Test("It conforms", arguments: [1, 3])
    func conforms(count: Int) async throws {
        try await withRedis { redis in
            let url = try redis.url
            let brokers = (0..<count).map { _ in RedisBroker(url: url, logger: .silent) }
            try await BrokerConformance(brokers) {
                // Kills every connection except the one that sends the command.
                try await redis.run(["CLIENT", "KILL", "TYPE", "pubsub"])
            }.run()
            for broker in brokers { #expect(broker.leftovers == 0) }
        }
    }

    @Test("Publications before the first connection wait for it, and fail with it")
    func early() async throws {
        try await withRedis { redis in
            try await withBroker(try redis.url) { broker, _ in
                try await broker.publish(Publication("first", to: "topic"))
            }
        }
        try await withBroker(try RedisURL("unix:///nowhere/redis.sock")) { broker, events in
            let error = await #expect(throws: BrokerError.self) {
                try await broker.publish(Publication("lost", to: "topic"))
            }
            #expect(error?.code == .unavailable)
            #expect(!broker.health.isReady)
            // A client that subscribes after the first failure must receive the gap.
            guard case .gap = try await events.nextOther() else {
                Issue.record("not told of a gap")
                return
            }
            #expect(broker.health.gaps == 1)
        }
    }

    @Test("Messages of other publishers arrive, invalid envelopes don't")
    func foreign() async throws {
        try await withRedis { redis in
            try await withBroker(try redis.url) { broker, events in
                broker.subscribe(to: "topic")
                try await takeEffect("topic", broker, events)

                try await redis.run(["PUBLISH", "apus:topic", "grüße"])
                #expect(try await events.nextText() == "grüße")
                // 0xA9 "aps" and a future version: dropped.
                try await redis.run([
                    "EVAL", #"redis.call('PUBLISH', 'apus:topic', '\169aps\2 x')"#, "0",
                ])
                try await redis.run([
                    "EVAL", #"redis.call('PUBLISH', 'apus:topic', '\255\0')"#, "0",
                ])
                let binary = try await events.nextPublication()
                #expect(binary.kind == .binary && binary.bytes == [255, 0])
            }
        }
    }

    @Test("A paused Redis is a gap, counted and not ready; publications fail until it is over")
    func paused() async throws {
        try await withRedis { redis in
            try await withBroker(try redis.url) { broker, events in
                broker.subscribe(to: "topic")
                try await takeEffect("topic", broker, events)
                #expect(broker.health.isReady)
                redis.signal(SIGSTOP)
                guard case .gap = try await events.nextOther() else {
                    Issue.record("not told of a gap")
                    return
                }
                #expect(!broker.health.isReady && broker.health.gaps == 1)
                let error = await #expect(throws: BrokerError.self) {
                    try await broker.publish(Publication("lost", to: "topic"))
                }
                #expect(error?.code == .unavailable)
                redis.signal(SIGCONT)
                guard case .restored = try await events.nextOther() else {
                    Issue.record("not told of its end")
                    return
                }
                try await takeEffect("topic", broker, events)
                #expect(broker.health.gaps == 1)
            }
        }
    }

    @Test("A Redis that hangs at the start is a gap, counted once, until it answers")
    func pausedAtStart() async throws {
        try await withRedis { redis in
            var options = RedisOptions.quick
            options.connectTimeout = .milliseconds(200)
            redis.signal(SIGSTOP)
            try await withBroker(try redis.url, options: options) { broker, events in
                broker.subscribe(to: "topic")
                guard case .gap = try await events.nextOther() else {
                    Issue.record("not told of a gap")
                    return
                }
                redis.signal(SIGCONT)
                guard case .restored = try await events.nextOther() else {
                    Issue.record("not told of its end")
                    return
                }
                #expect(broker.health.gaps == 1)
            }
        }
    }

    @Test("A publication beyond the limit is refused; from others, it ends the subscription")
    func large() async throws {
        try await withRedis { redis in
            var options = RedisOptions.quick
            options.messageSizeMax = 100_000
            try await withBroker(try redis.url, options: options) { broker, events in
                broker.subscribe(to: "topic")
                try await takeEffect("topic", broker, events)
                // An envelope without a key has six bytes.
                let most = String(repeating: "x", count: 100_000 - 6)
                try await broker.publish(Publication(most, to: "topic"))
                #expect(try await events.nextText() == most)
                let error = await #expect(throws: BrokerError.self) {
                    try await broker.publish(Publication(most + "x", to: "topic"))
                }
                #expect(error?.description.contains("more than 100000 bytes") == true)
                try await redis.run([
                    "EVAL", "redis.call('PUBLISH', 'apus:topic', string.rep('x', 1000000))", "0",
                ])
                guard case .gap(let reason) = try await events.nextOther(),
                    case .restored = try await events.nextOther()
                else {
                    Issue.record("no gap and its end")
                    return
                }
                #expect(reason.contains("a reply of more than"))
            }
        }
    }

    @Test("A stop is fast and leaves nothing open while Redis hangs")
    func stopsWhilePaused() async throws {
        try await withRedis { redis in
            let broker = RedisBroker(
                url: try redis.url, prefix: "apus:", logger: .silent, options: RedisOptions())
            broker.start { _ in nil }
            try await broker.publish(Publication("first", to: "topic"))
            redis.signal(SIGSTOP)
            let outcomes = Reports<BrokerError?>()
            for _ in 0..<10 {
                broker.publish(Publication("unanswered", to: "topic")) { outcomes.add($0) }
            }
            // The deadline of a command is ten times as long.
            try await within(.seconds(4), "the stop") { await broker.stop() }
            #expect(outcomes.all.count == 10 && outcomes.all.allSatisfy { $0 != nil })
            #expect(broker.leftovers == 0)
        }
    }

    @Test("Pending publications are limited, and one of any size is accepted")
    func bounded() async throws {
        try await withRedis { redis in
            var options = RedisOptions()
            options.inFlightSizeMax = 1_000
            options.commandTimeout = .milliseconds(500)
            try await withBroker(try redis.url, options: options) { broker, _ in
                try await broker.publish(Publication("first", to: "topic"))
                redis.signal(SIGSTOP)
                let outcomes = Reports<BrokerError?>()
                let large = String(repeating: "x", count: 4_000)
                broker.publish(Publication(large, to: "topic")) { outcomes.add($0) }
                broker.publish(Publication("refused", to: "topic")) { outcomes.add($0) }
                #expect(try await outcomes.next()?.description.contains("too many") == true)
                #expect(try await outcomes.next()?.description.contains("no answer") == true)
                redis.signal(SIGCONT)
            }
        }
    }

    @Test("The broker's subscriptions are those of its server, also after a reconnection")
    func subscriptions() async throws {
        try await withRedis { redis in
            try await withBroker(try redis.url) { broker, events in
                for topic in ["one", "two"] {
                    broker.subscribe(to: topic)
                    try await takeEffect(topic, broker, events)
                }
                broker.unsubscribe(from: "one")
                try await redis.run(["CLIENT", "KILL", "TYPE", "pubsub"])
                guard case .gap = try await events.nextOther(),
                    case .restored = try await events.nextOther()
                else {
                    Issue.record("no gap and its end")
                    return
                }
                try await takeEffect("two", broker, events)
                let channels = try await redis.run(["PUBSUB", "CHANNELS", "apus:[a-z]*"])
                #expect(channels == "apus:two\n")
            }
        }
    }

    // MARK: -

    /// Runs `body` with a started broker, and checks that it leaves nothing open.
    private func withBroker(
        _ url: RedisURL, options: RedisOptions = .quick,
        _ body: (RedisBroker, Reports<BrokerEvent>) async throws -> Void
    ) async throws {
        let broker = RedisBroker(url: url, prefix: "apus:", logger: .silent, options: options)
        let events = Reports<BrokerEvent>()
        broker.start {
            events.add($0)
            return nil
        }
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(broker, events))
        } catch { result = .failure(error) }
        await broker.stop()
        #expect(broker.leftovers == 0)
        try result.get()
    }

    /// Publishes until a publication arrives, then removes all of them from `events`.
    private func takeEffect(
        _ topic: String, _ broker: RedisBroker, _ events: Reports<BrokerEvent>
    ) async throws {
        let before = events.all.count
        try await within(.seconds(120), "subscribing") {
            while !events.all.dropFirst(before).contains(where: \.isPublication) {
                try Task.checkCancellation()
                try? await broker.publish(Publication("probe", to: topic))
            }
        }
        try await broker.publish(Publication("last", to: topic))
        while try await events.nextText() != "last" {}
    }
}

extension Publication {
    convenience init(_ text: String, to topic: String) {
        self.init(Array(text.utf8).span.bytes, as: .text, to: topic)
    }

    var bytes: [UInt8] { withPayload { $0.withUnsafeBytes { [UInt8]($0) } } }
}

extension BrokerEvent {
    fileprivate var isPublication: Bool {
        if case .publication = self { true } else { false }
    }
}

extension Reports<BrokerEvent> {
    /// Returns the next publication. Earlier events are skipped.
    fileprivate func nextPublication() async throws -> Publication {
        while true {
            if case .publication(let publication) = try await next() { return publication }
        }
    }

    fileprivate func nextText() async throws -> String {
        String(decoding: try await nextPublication().bytes, as: UTF8.self)
    }

    /// Returns the next event that isn't a publication.
    fileprivate func nextOther() async throws -> BrokerEvent {
        try await next { !$0.isPublication }
    }
}

extension RedisServer {
    /// Runs one command with `redis-cli`. Returns its output.
    @discardableResult
    fileprivate func run(_ command: [String]) async throws -> String {
        let client = try ChildProcess("/usr/bin/env", ["redis-cli", "-s", socket] + command)
        defer { client.wait() }
        return client.readAll().output
    }
}
