extension CompareResult {
    /// The charts, with their file names without a suffix; none if there are too few points.
    package var charts: [(name: String, chart: LineChart)] {
        var charts: [(String, LineChart)] = []
        if plan.sizes.count > 1 {
            charts.append(("echo-cpu", cpuChart("Echo", nil, plan.sizes)))
            charts.append(("echo-wire", wireChart("Echo", nil, plan.sizes)))
            charts.append(("echo-break-even", breakEvenChart("Echo", nil, plan.sizes)))
        }
        if plan.fanoutSizes.count > 1, let most = plan.subscribers.max() {
            let title = "Fan-out to \(Figures.grouped(most))"
            charts.append(("fanout-cpu", cpuChart(title, most, plan.fanoutSizes)))
            charts.append(("fanout-wire", wireChart(title, most, plan.fanoutSizes)))
            charts.append(("fanout-break-even", breakEvenChart(title, most, plan.fanoutSizes)))
        }
        if plan.subscribers.count > 1, let size = middleSize {
            charts.append(("subscribers-cpu", subscribersChart(size)))
        }
        return charts.filter { !$0.1.series.isEmpty }
    }

    private var middleSize: Int? {
        plan.fanoutSizes.isEmpty ? nil : plan.fanoutSizes.sorted()[plan.fanoutSizes.count / 2]
    }

    private func cpuChart(_ title: String, _ subscribers: Int?, _ sizes: [Int]) -> LineChart {
        chart(
            "\(title): server CPU for each message", "Microseconds, by the message's size",
            subscribers, sizes, isLogarithmic: true, yText: { Figures.short($0) + " µs" }
        ) { $1.cpuPerMessage.map { .init(0, $0) } }
    }

    private func wireChart(_ title: String, _ subscribers: Int?, _ sizes: [Int]) -> LineChart {
        chart(
            "\(title): bytes on the wire", "From the server, by bytes of messages; by their size",
            subscribers, sizes, isLogarithmic: false, yText: { Figures.short($0 * 100) + " %" }
        ) { $1.ratio.map { .init(0, $0) } }
    }

    private func breakEvenChart(
        _ title: String, _ subscribers: Int?, _ sizes: [Int]
    ) -> LineChart {
        chart(
            "\(title): on which links compression pays",
            "It pays on links slower than the line. ▲ any link, ▼ none, ○ within noise: at least there",
            subscribers, sizes,
            isLogarithmic: true,
            yText: {
                $0 < 999 ? "\(Figures.short($0)) Mbit/s" : "\(Figures.short($0 / 1_000)) Gbit/s"
            }
        ) { one, _ in breakEven(one).map(\.point) }
    }

    private func chart(
        _ title: String, _ subtitle: String, _ subscribers: Int?, _ sizes: [Int],
        isLogarithmic: Bool, yText: @escaping @Sendable (Double) -> String,
        _ value: (CompareCase, LoadReport) -> LineChart.Point?
    ) -> LineChart {
        let series = CompareCase.Way.allCases.enumerated().map { hue, way in
            LineChart.Series(
                name: way.name,
                points: sizes.compactMap { size in
                    let one = CompareCase(way, size: size, subscribers: subscribers)
                    return report(one).flatMap { value(one, $0) }
                        .map { LineChart.Point(Double(size), $0.y, $0.mark) }
                }, hue: hue)
        }
        return LineChart(
            title: title, subtitle: subtitle, series: series, isLogarithmic: isLogarithmic,
            xText: { Figures.size(Int($0)) }, yText: yText)
    }

    private func subscribersChart(_ size: Int) -> LineChart {
        let series = CompareCase.Way.allCases.enumerated().map { hue, way in
            LineChart.Series(
                name: way.name,
                points: plan.subscribers.compactMap { count in
                    report(CompareCase(way, size: size, subscribers: count))?.cpuPerMessage
                        .map { LineChart.Point(Double(count), $0) }
                }, hue: hue)
        }
        return LineChart(
            title: "Fan-out: server CPU for each delivery",
            subtitle: "Microseconds for \(Figures.size(size)), by the number of subscribers",
            series: series, isLogarithmic: true, xText: { Figures.grouped(Int($0)) },
            yText: { Figures.short($0) + " µs" })
    }
}

extension BreakEven {
    /// The point in a chart of Mbit/s.
    fileprivate var point: LineChart.Point {
        switch self {
        case .always: .init(0, 0, .top)
        case .never: .init(0, 0, .bottom)
        case .below(let speed): .init(0, speed)
        case .withinNoise(let speed): .init(0, speed, .atLeast)
        }
    }
}
