import Dispatch
import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// The behaviour of a server when its broker reports a gap.
@Suite struct GapTests {
    /// A broker in memory that reports events on command.
    private final class Telling: Broker {
        private let base = MemoryBroker()
        private let receiver = Locked<(@Sendable (BrokerEvent) -> BrokerError?)?>(nil)

        @discardableResult
        func tell(_ event: BrokerEvent) -> BrokerError? { receiver.value?(event) ?? nil }

        var health: BrokerHealth { base.health }
        func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {
            receiver.withLock { $0 = receive }
            base.start(receive)
        }
        func publish(
            _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
        ) { base.publish(publication, completion: completion) }
        func subscribe(to topic: String) {}
        func unsubscribe(from topic: String) {}
        func stop() async { await base.stop() }
    }

    /// A handler that subscribes if its flag is set.
    private final class Listener: ConnectionHandler, Sendable {
        let subscribes: Bool
        init(subscribes: Bool) { self.subscribes = subscribes }
        func onOpen(_ connection: Connection) {
            if subscribes { connection.subscribe(to: "topic") }
            connection.send("ready")
        }
        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            connection.send(payload, as: kind)
        }
    }

    private static var router: Router {
        var router = Router()
        router.webSocket("/subscribed") { _ in .accept(Listener(subscribes: true)) }
        router.webSocket("/alone") { _ in .accept(Listener(subscribes: false)) }
        return router
    }

    private static func join(_ server: LiveServer, _ path: String) async throws -> RawClient {
        let client = try await server.upgraded(path)
        #expect(try await client.readFrame() == .text("ready"))
        return client
    }

    @Test("A gap and its end close only subscribers, on all loops")
    func closes() async throws {
        let broker = Telling()
        try await withServer(Self.router, broker: broker) {
            $0.loops = 2
            $0.topics.onGap = .close
        } _: { server in
            let alone = try await Self.join(server, "/alone")
            for event in [BrokerEvent.gap("for a test"), .restored] {
                var subscribed: [RawClient] = []
                for _ in 0..<6 { subscribed.append(try await Self.join(server, "/subscribed")) }
                broker.tell(event)
                for client in subscribed {
                    let frame = try await client.readFrame()
                    #expect(frame == .close(.serviceRestart, "publications may have been missed"))
                    await client.close()
                }
            }
            let counters = await server.server.counters()
            #expect(counters.brokerGaps == 1 && counters.closedForGaps == 12)
            try await alone.send(.text("still here"))
            #expect(try await alone.readFrame() == .text("still here"))
            await alone.close()
        }
    }

    @Test("A gap is counted, and by default no subscriber is closed")
    func keeps() async throws {
        let broker = Telling()
        try await withServer(Self.router, broker: broker) { server in
            let client = try await Self.join(server, "/subscribed")
            broker.tell(.gap("for a test"))
            broker.tell(.restored)
            try await server.server.publish(
                Publication(Array("after".utf8).span.bytes, as: .text, to: "topic"))
            #expect(try await client.readFrame() == .text("after"))
            let counters = await server.server.counters()
            #expect(counters.brokerGaps == 1 && counters.closedForGaps == 0)
            await client.close()
        }
    }

    @Test("Publications beyond the limit of a busy loop are dropped: one gap each time")
    func overload() async throws {
        let (busy, free) = (Reports<Int>(), DispatchSemaphore(value: 0))
        let (broker, recorder, log) = (Telling(), Recorder(), LogRecorder())
        var router = Self.router
        router.webSocket("/busy") { _ in .accept(recorder) }
        try await withServer(router, broker: broker, logger: log.logger) {
            $0.topics.backlogMax = .mebibytes(1)
            $0.topics.slowSubscribers = .dropOldest
        } _: { server in
            let client = try await Self.join(server, "/subscribed")
            let other = try await server.upgraded("/busy")
            let connection = try await recorder.connections.next()
            @discardableResult
            func tell(_ payload: [UInt8], as kind: MessageKind) -> BrokerError? {
                broker.tell(
                    .publication(Publication(payload.span.bytes, as: kind, to: "topic")))
            }
            for round in 1...2 {
                // Blocks the only loop until it is released.
                connection.core.loop.execute {
                    busy.add(round)
                    free.wait()
                }
                _ = try await busy.next()
                let answers = (0..<40).map { _ in
                    tell([UInt8](repeating: 7, count: 64 << 10), as: .binary)
                }
                #expect(answers.count { $0 != nil } == 8)
                free.signal()
                // The last accepted publication exceeds twice `topics.backlog.max`. They are
                // delivered in several turns.
                let expected = UInt64(32 * round)
                try await within {
                    while await server.server.counters().topics.publications < expected {
                        await Task.yield()
                    }
                }
                let counters = await server.server.counters()
                #expect(counters.topics.publications == expected)
                #expect(counters.brokerGaps == round)
            }
            #expect(!log.lines(with: "publications are dropped").isEmpty)
            tell(Array("after".utf8), as: .text)
            while try await client.readFrame() != .text("after") {}
            await other.close()
            await client.close()
        }
    }
}
