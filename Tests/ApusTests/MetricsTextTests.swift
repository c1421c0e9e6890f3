import Testing

@testable import WebSocketServer
@testable import apus

@Suite struct MetricsTextTests {
    @Test("Descriptions and labels are escaped as the format wants it")
    func escapes() {
        var text = MetricsText()
        text.add(
            MetricFamily(
                .gauge, "odd", #"A \ and "quotes""# + "\nin two lines.",
                [.init(.integer(-1), by: [("label", #"a\b"c"# + "\nd"), ("other", "é")])]),
            prefix: "apus_")
        #expect(
            text.text == #"""
                # HELP apus_odd A \\ and "quotes"\nin two lines.
                # TYPE apus_odd gauge
                apus_odd{label="a\\b\"c\nd",other="é"} -1

                """#)
    }

    @Test("The buckets of a histogram are cumulative, in seconds")
    func histogram() {
        var times = TimeHistogram(nanoseconds: [1_000, 2_500_000, 10_000_000_000])
        for nanoseconds: UInt64 in [1, 1_000, 2_000_000, 20_000_000_000] {
            times.record(nanoseconds: nanoseconds)
        }
        var text = MetricsText()
        text.add(
            MetricFamily(
                .histogram, "time_seconds", "A time.", [.init(.times(times), by: [("loop", "0")])]))
        #expect(
            text.text == """
                # HELP time_seconds A time.
                # TYPE time_seconds histogram
                time_seconds_bucket{loop="0",le="1e-06"} 2
                time_seconds_bucket{loop="0",le="0.0025"} 3
                time_seconds_bucket{loop="0",le="10.0"} 3
                time_seconds_bucket{loop="0",le="+Inf"} 4
                time_seconds_sum{loop="0"} 20.002001001
                time_seconds_count{loop="0"} 4

                """)
    }

    @Test("A metric without values keeps its description")
    func empty() {
        var text = MetricsText()
        text.add(MetricFamily(.counter, "nothing_total", "Nothing.", []))
        #expect(text.text == "# HELP nothing_total Nothing.\n# TYPE nothing_total counter\n")
    }

    @Test("Processes have figures")
    func process() throws {
        let metrics = ProcessFigures().metrics
        #expect(metrics.count == 7)
        for metric in metrics {
            let value = try #require(metric.samples.first?.value)
            switch value {
            case .integer(let number): #expect(number > 0, "\(metric.name)")
            case .number(let number): #expect(number > 0, "\(metric.name)")
            case .times: Issue.record("\(metric.name)")
            }
        }
    }
}
