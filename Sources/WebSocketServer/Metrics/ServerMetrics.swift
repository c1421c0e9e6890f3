public import CoreMetrics
public import ServiceLifecycle

/// A service that reports the figures of a server to swift-metrics, at an interval.
///
/// Run it beside the server in a `ServiceGroup`:
///
/// ```swift
/// let group = ServiceGroup(
///     services: [server, ServerMetrics(server)],
///     gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
/// ```
///
/// The names are those of `/metrics` of the server `apus`, without histograms' buckets: a histogram
/// becomes two counters, `…_seconds_sum` and `…_seconds_count`.
public struct ServerMetrics: Service {
    private let server: Server
    private let interval: Duration
    private let prefix: String
    private let factory: any MetricsFactory

    /// Creates a service that reports once it runs.
    ///
    /// - Parameters:
    ///   - interval: The time between two reports.
    ///   - prefix: The text before each name. Servers of one process need different prefixes.
    ///   - factory: The system that receives the metrics.
    public init(
        _ server: Server, interval: Duration = .seconds(10), prefix: String = "apus_",
        factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self.server = server
        self.interval = interval
        self.prefix = prefix
        self.factory = factory
    }

    /// Reports at once, at each interval, and a last time on graceful shutdown or cancellation.
    public func run() async {
        await cancelWhenGracefulShutdown {
            var reporter = MetricsReporter(prefix: prefix, factory: factory)
            repeat {
                await report(by: &reporter)
                try? await Task.sleep(for: interval)
            } while !Task.isCancelled
            await report(by: &reporter)
        }
    }

    private func report(by reporter: inout MetricsReporter) async {
        // A server that has stopped, or has yet to start, has nothing to report.
        guard server.running != nil else { return }
        reporter.report(await server.statistics().metrics)
    }
}

/// The metrics of swift-metrics that a server's figures have been reported to.
private struct MetricsReporter {
    /// A metric, and the value that was reported last.
    private enum Reported {
        case counter(Counter, last: Int)
        case number(FloatingPointCounter, last: Double)
        case gauge(Meter)
    }

    let prefix: String
    let factory: any MetricsFactory
    private var metrics: [String: Reported] = [:]

    init(prefix: String, factory: any MetricsFactory) {
        self.prefix = prefix
        self.factory = factory
    }

    mutating func report(_ families: [MetricFamily]) {
        for family in families {
            let name = prefix + family.name
            for sample in family.samples {
                switch (family.kind, sample.value) {
                case (.counter, .integer(let value)): count(name, sample.labels, value)
                case (.counter, .number(let value)): count(name, sample.labels, value)
                case (_, .integer(let value)): set(name, sample.labels, Double(value))
                case (_, .number(let value)): set(name, sample.labels, value)
                case (_, .times(let times)):
                    count(name + "_sum", sample.labels, times.sum / .seconds(1))
                    count(name + "_count", sample.labels, Int(clamping: times.count))
                }
            }
        }
    }

    private func key(_ name: String, _ labels: [(name: String, value: String)]) -> String {
        labels.reduce(name) { $0 + "\n\($1.name)\n\($1.value)" }
    }

    private mutating func count(
        _ name: String, _ labels: [(name: String, value: String)], _ value: Int
    ) {
        let key = key(name, labels)
        if case .counter(let counter, let last) = metrics[key] {
            if value > last { counter.increment(by: value - last) }
            metrics[key] = .counter(counter, last: max(last, value))
        } else {
            let counter = Counter(
                label: name, dimensions: labels.map { ($0.name, $0.value) }, factory: factory)
            counter.increment(by: value)
            metrics[key] = .counter(counter, last: value)
        }
    }

    private mutating func count(
        _ name: String, _ labels: [(name: String, value: String)], _ value: Double
    ) {
        let key = key(name, labels)
        if case .number(let counter, let last) = metrics[key] {
            if value > last { counter.increment(by: value - last) }
            metrics[key] = .number(counter, last: max(last, value))
        } else {
            let counter = FloatingPointCounter(
                label: name, dimensions: labels.map { ($0.name, $0.value) }, factory: factory)
            counter.increment(by: value)
            metrics[key] = .number(counter, last: value)
        }
    }

    private mutating func set(
        _ name: String, _ labels: [(name: String, value: String)], _ value: Double
    ) {
        let key = key(name, labels)
        if case .gauge(let meter) = metrics[key] { return meter.set(value) }
        let meter = Meter(
            label: name, dimensions: labels.map { ($0.name, $0.value) }, factory: factory)
        meter.set(value)
        metrics[key] = .gauge(meter)
    }
}
