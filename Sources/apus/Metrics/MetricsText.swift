import WebSocketServer

/// Metrics in the text format of Prometheus, version 0.0.4.
struct MetricsText {
    static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    /// Adds a metric, whose name gets a prefix.
    mutating func add(_ family: MetricFamily, prefix: String = "") {
        let name = prefix + family.name
        text += "# HELP \(name) \(Self.escaped(family.help, quotes: false))\n"
        text += "# TYPE \(name) \(family.kind.rawValue)\n"
        for sample in family.samples {
            switch sample.value {
            case .integer(let value): add(name, sample.labels, "\(value)")
            case .number(let value): add(name, sample.labels, "\(value)")
            case .times(let times): add(name, sample.labels, times)
            }
        }
    }

    /// Adds a histogram, whose buckets count all durations up to their bound.
    private mutating func add(
        _ name: String, _ labels: [(name: String, value: String)], _ times: TimeHistogram
    ) {
        var sum: UInt64 = 0
        for (bound, count) in zip(times.bounds, times.counts) {
            sum += count
            add("\(name)_bucket", labels + [("le", "\(bound / .seconds(1))")], "\(sum)")
        }
        let all = times.count
        add("\(name)_bucket", labels + [("le", "+Inf")], "\(all)")
        add("\(name)_sum", labels, "\(times.sum / .seconds(1))")
        add("\(name)_count", labels, "\(all)")
    }

    private mutating func add(
        _ name: String, _ labels: [(name: String, value: String)], _ value: String
    ) {
        text += name
        if !labels.isEmpty {
            let list = labels.map { "\($0.name)=\"\(Self.escaped($0.value, quotes: true))\"" }
            text += "{\(list.joined(separator: ","))}"
        }
        text += " \(value)\n"
    }

    /// Returns a text in which backslashes, line ends and, if wanted, quotes are escaped.
    static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += #"\\"#
            case "\n": escaped += #"\n"#
            case "\"" where quotes: escaped += #"\""#
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
