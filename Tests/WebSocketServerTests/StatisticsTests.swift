import Dispatch
import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

@Suite struct StatisticsTests {
    /// Two WebSockets, one of which answers, and a request.
    private static var router: Router {
        var router = Router()
        router.webSocket("/echo") { connection in
            for try await message in connection.messages { try await connection.send(message) }
        }
        router.upgrade("/members") { request in
            guard request.query != nil else { return .refuse(.forbidden, "You are no member.") }
            return .accept { connection in for try await _ in connection.messages {} }
        }
        router.get("/text") { _ in .text("hello") }
        return router
    }

    private static func route(_ path: String, of server: Server) async throws -> RouteStatistics {
        try #require(await server.statistics().routes.first { $0.path == path })
    }

    @Test("A path with a WebSocket and a page has one series of responses")
    func samePath() async throws {
        var router = Router()
        router.webSocket("/both") { for try await _ in $0.messages {} }
        router.get("/both") { _ in .text("page") }
        try await withTestServer(router) { app in
            let client = try await app.connect("/both")
            #expect(try await app.get("/both").status == .ok)
            let families = await app.server.statistics().metrics
            let responses = try #require(families.first { $0.name == "http_responses_total" })
            let ofPath = responses.samples.filter { $0.labels[1].value == "/both" }
            #expect(ofPath.map { $0.labels[2].value } == ["101", "200"])
            try await client.close()
        }
    }

    @Test("Each route has its own connections, messages, bytes and responses")
    func routes() async throws {
        try await withTestServer(Self.router) { app in
            let echo = try await app.connect("/echo")
            for text in ["a", "bc"] {
                await echo.send(text)
                #expect(try await echo.receive() == Message(text))
            }
            let member = try await app.connect("/members?x")
            await member.send("only received")
            #expect(try await app.get("/members").status == .forbidden)
            #expect(try await app.get("/text").status == .ok)
            #expect(try await app.get("/text").status == .ok)
            #expect(try await app.get("/nowhere").status == .notFound)

            let statistics = await app.server.statistics()
            let routes = Dictionary(uniqueKeysWithValues: statistics.routes.map { ($0.path, $0) })
            let first = try #require(routes["/echo"])
            #expect(first.isWebSocket && first.open == 1 && first.opened == 1)
            #expect(first.messages.messagesReceived == 2 && first.messages.messagesSent == 2)
            #expect(first.messages.bytesReceived == 3 && first.messages.bytesSent == 3)
            #expect(first.responses == [101: 1])
            let second = try #require(routes["/members"])
            #expect(second.open == 1 && second.responses == [101: 1, 403: 1])
            #expect(second.messages.messagesReceived == 1 && second.messages.messagesSent == 0)
            #expect(second.messages.bytesReceived == 13)
            let text = try #require(routes["/text"])
            #expect(!text.isWebSocket && text.responses == [200: 2] && text.opened == 0)
            #expect(statistics.unroutedResponses == [404: 1])
            #expect(statistics.connections.webSockets == 2)
            #expect(statistics.openingHandshakes.count == 2)
        }
    }

    @Test("Counts stay when connections close, and those of the routes add up to the counters")
    func stays() async throws {
        try await withTestServer(Self.router) { app in
            for number in 1...3 {
                let client = try await app.connect("/echo")
                await client.send("message \(number)")
                _ = try await client.receive()
                try await client.close(.goingAway)
                #expect(try await Self.route("/echo", of: app.server).open == 0)
                #expect(try await Self.route("/echo", of: app.server).opened == number)
            }
            let statistics = await app.server.statistics()
            #expect(statistics.counters.closedByCode == [1001: 3])
            #expect(statistics.counters.opened == 3 && statistics.counters.closedTotal == 3)
            #expect(statistics.counters.messages.messagesReceived == 3)
            #expect(statistics.counters.messages.bytesSent == 27)
            let sums = statistics.routes.reduce(into: MessageCounts()) { $0.add($1.messages) }
            #expect(sums == statistics.counters.messages)
            #expect(statistics.connections.webSockets == 0)
        }
    }

    @Test("A connection that a limit closes counts for its route")
    func refused() async throws {
        try await withTestServer(Self.router) {
            $0.limits.connectionsMax = 1
        } _: { app in
            let first = try await app.connect("/echo")
            _ = try await app.connect("/echo")
            await app.settle()
            let statistics = await app.server.statistics()
            #expect(statistics.counters.refusedByLimit == 1)
            #expect(statistics.counters.closedByCode == [1008: 1])
            let route = try #require(statistics.routes.first { $0.path == "/echo" })
            #expect(route.opened == 2 && route.open == 1 && route.responses == [101: 2])
            #expect(statistics.connections.max == 1)
            try await first.close()
        }
    }

    @Test("A loop that doesn't answer is represented by its last answer, and by its lag")
    func stuck() async throws {
        let (entered, continuation) = AsyncStream<Void>.makeStream()
        let release = DispatchSemaphore(value: 0)
        var router = Self.router
        router.get("/stuck") { _ in
            continuation.yield()
            Self.block(until: release)
            return .text("free")
        }
        try await withServer(router) {
            $0.loops = 2
            $0.measuresTurns = true
        } _: { server in
            let socket = try server.raw()
            try await socket.upgrade("/echo")
            let before = await server.server.statistics()
            #expect(before.counters.opened == 1 && before.loops.count == 2)
            let client = try server.raw()
            try await client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
            for await _ in entered { break }
            let during = await server.server.statistics(patience: .milliseconds(20))
            #expect(during.counters.opened == 1)
            #expect(during.loops.contains { $0.lag >= .milliseconds(20) })
            #expect(during.loops.contains { $0.lag < .seconds(1) })
            release.signal()
            #expect(try await client.readResponse().body == "free")
            let after = await server.server.statistics()
            #expect(after.counters.requests == 2)
            #expect(after.loops.reduce(0) { $0 + $1.turns.count } > 0)
            #expect(after.loops.reduce(Duration.zero) { $0 + $1.cpuTime } > .zero)
            // The turn that was stuck for 20 ms at least is in a bucket of its size.
            let long = after.loops.map { loop in
                zip(loop.turns.counts, loop.turns.bounds + [.seconds(60)])
                    .reduce(0) { $0 + ($1.1 > .milliseconds(10) ? $1.0 : 0) }
            }
            #expect(long.reduce(0, +) >= 1)
        }
    }

    /// Blocks an event loop, as no handler should.
    private static func block(until semaphore: DispatchSemaphore) { semaphore.wait() }

    @Test("A server that doesn't run has its routes and budgets, and no counts")
    func notRunning() async throws {
        let server = try Server(configuration: ServerConfiguration(), router: Self.router)
        let statistics = await server.statistics()
        #expect(statistics.routes.map(\.path).sorted() == ["/echo", "/members", "/text"])
        #expect(statistics.memory.max == ServerConfiguration().limits.memoryMax.bytes)
        #expect(statistics.loops.isEmpty && statistics.counters == Counters())
    }

    @Test("A duration counts for the first bound that it doesn't exceed")
    func histogram() {
        var times = TimeHistogram(nanoseconds: [10, 20])
        for nanoseconds: UInt64 in [0, 10, 11, 20, 21, 5_000] {
            times.record(nanoseconds: nanoseconds)
        }
        #expect(times.counts == [2, 2, 2] && times.count == 6)
        #expect(times.sum == .nanoseconds(5_062))
        #expect(times.bounds == [.nanoseconds(10), .nanoseconds(20)])
        var twice = times
        twice.add(times)
        #expect(twice.counts == [4, 4, 4] && twice.sum == .nanoseconds(10_124))
    }

    @Test("Peers can't add labels by their close codes")
    func closeCodes() {
        let all = Dictionary(uniqueKeysWithValues: (UInt16.min...UInt16.max).map { ($0, 1) })
        let sums = CloseCodeLabels.sums(of: all)
        #expect(sums.count == CloseCodeLabels.sums(of: [:]).count && sums.count < 25)
        #expect(sums.reduce(0) { $0 + $1.1 } == all.count)
        #expect(Set(sums.map(\.0)).count == sums.count)
    }

    @Test("Metrics have one name each, a description, and labels without the texts of peers")
    func families() async throws {
        try await withTestServer(Self.router) { app in
            let client = try await app.connect("/members?secret")
            _ = try await app.get("/chosen-by-a-peer")
            let families = await app.server.statistics().metrics
            #expect(Set(families.map(\.name)).count == families.count)
            #expect(families.allSatisfy { $0.help.hasSuffix(".") })
            #expect(families.allSatisfy { ($0.kind == .counter) == $0.name.hasSuffix("_total") })
            let values = families.flatMap(\.samples).flatMap(\.labels).map(\.value)
            #expect(!values.contains { $0.contains("secret") || $0.contains("peer") })
            try await client.close()
        }
    }
}
