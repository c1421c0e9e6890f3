import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Broker") struct BrokerTests {
    @Test("A route publishes by its request, and other code on the server, even before the start")
    func publishing() async throws {
        var router = Router()
        router.post("/") { request in
            try await request.publish("by the route", to: "news", key: nil)
            return Response(status: .accepted)
        }
        router.webSocket("/ws") { connection in
            connection.connection.subscribe(to: "news")
            try await connection.send("subscribed")
            for try await _ in connection.messages {}
        }
        let publication = Publication("by the server".utf8Span.span.bytes, as: .text, to: "news")
        let unstarted = try Server(
            configuration: ServerConfiguration(), router: router, logger: .silent)
        try await unstarted.publish(publication)
        let stopped = try await withServer(router) { server in
            let client = try await server.upgraded()
            #expect(try await client.readFrame() == .text("subscribed"))
            let page = try server.raw()
            try await page.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            #expect(try await page.readResponse().head.contains(" 202 "))
            #expect(try await client.readFrame() == .text("by the route"))
            try await server.server.publish(publication)
            #expect(try await client.readFrame() == .text("by the server"))
            await client.close()
            return server.server
        }
        let error = await #expect(throws: BrokerError.self) {
            try await stopped.publish(publication)
        }
        #expect(error?.code == .stopped)
    }

    @Test("The broker in memory conforms")
    func memory() async throws {
        try await BrokerConformance([MemoryBroker()], receivesAll: true).run()
    }

    /// A broker that publishes every tenth publication twice.
    private final class Stuttering: Broker {
        private let base = MemoryBroker()
        private let count = Locked(0)

        var health: BrokerHealth { base.health }
        func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {
            base.start(receive)
        }

        func publish(
            _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
        ) {
            let number = count.withLock { count in
                count += 1
                return count
            }
            if number % 10 == 0 { base.publish(publication, completion: nil) }
            base.publish(publication, completion: completion)
        }

        func subscribe(to topic: String) {}
        func unsubscribe(from topic: String) {}
        func stop() async { await base.stop() }
    }

    @Test("A broker with duplicates doesn't")
    func stuttering() async {
        await #expect(throws: BrokerConformance.Fault.self) {
            try await within(.seconds(60), "conformance") {
                try await BrokerConformance([Stuttering()], receivesAll: true).run()
            }
        }
    }
}
