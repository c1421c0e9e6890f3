import CoreMetrics
import MetricsTestKit
import ServiceLifecycle
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite struct ServerMetricsTests {
    private static var router: Router {
        var router = Router()
        router.webSocket("/echo") { connection in
            for try await message in connection.messages { try await connection.send(message) }
        }
        return router
    }

    /// Waits for the next report that fulfils a condition.
    private static func wait(
        for condition: @Sendable () throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try !condition() {
            try #require(ContinuousClock.now < deadline)
            await Task.yield()
        }
    }

    @Test("The service reports to swift-metrics what has been added since the last report")
    func reports() async throws {
        let metrics = TestMetrics()
        try await withTestServer(Self.router) { app in
            let service = ServerMetrics(
                app.server, interval: .milliseconds(1), prefix: "one_", factory: metrics)
            let running = Task { await service.run() }
            let client = try await app.connect("/echo")
            for _ in 1...3 {
                await client.send("four")
                _ = try await client.receive()
            }
            let route = [("route", "/echo")]
            try await Self.wait {
                metrics.counterTotal(
                    label: "one_websocket_received_bytes_total", dimensions: route) == 12
            }
            try await client.close()
            try await Self.wait {
                let open = metrics.meters(
                    label: "one_websocket_connections_open", dimensions: route)
                return open.first?.lastValue == 0
            }
            running.cancel()
            await running.value
            #expect(
                metrics.counterTotal(
                    label: "one_websocket_messages_sent_total", dimensions: route) == 3)
            #expect(
                metrics.counterTotal(label: "one_websocket_handshake_duration_seconds_count") == 1)
            #expect(
                metrics.counterTotal(
                    label: "one_websocket_connections_closed_total",
                    dimensions: [("code", "1000")]) == 1)
            // Reports of nothing new add nothing.
            let counter = try metrics.expectCounter("one_connections_accepted_total")
            #expect(counter.values.reduce(0, +) == counter.totalValue && counter.totalValue == 1)
        }
    }

    @Test("The service makes a last report when it is shut down")
    func lastReport() async throws {
        let metrics = TestMetrics()
        try await withTestServer(Self.router) { app in
            let service = ServerMetrics(app.server, interval: .seconds(3_600), factory: metrics)
            let running = Task { await service.run() }
            try await Self.wait { !metrics.counters(label: "apus_http_requests_total").isEmpty }
            let client = try await app.connect("/echo")
            running.cancel()
            await running.value
            #expect(metrics.counterTotal(label: "apus_http_requests_total") == 1)
            try await client.close()
        }
    }
}
