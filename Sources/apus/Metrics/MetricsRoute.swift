import HTTPTypes
import WebSocketServer

/// Adds `GET /metrics`, which answers with the figures of the public server and of the process.
func addMetrics(to router: inout Router, of server: Server) {
    ProcessFigures.noteStart()
    router.get("/metrics") { _ in
        // Not on the event loop: the process's descriptors may take long to count.
        async let process = Task.detached { ProcessFigures() }.value
        let statistics = await server.statistics()
        let text = await metricsText(statistics, process)
        return Response(
            headerFields: [.contentType: MetricsText.mediaType, .cacheControl: "no-store"],
            body: Array(text.utf8))
    }
}

/// Returns all metrics in the text format of Prometheus. Their number depends on the configuration:
/// on the routes and event loops.
func metricsText(_ statistics: ServerStatistics, _ process: ProcessFigures) -> String {
    var text = MetricsText()
    let build = [
        (name: "version", value: Version.number), ("commit", Version.commit ?? "unknown"),
    ]
    text.add(
        MetricFamily(
            .gauge, "build_info", "Always 1; its labels name the version that runs.",
            [.init(.integer(1), by: build)]), prefix: "apus_")
    for family in statistics.metrics { text.add(family, prefix: "apus_") }
    for family in process.metrics { text.add(family) }
    return text.text
}
