/// A metric with its description, and its values by label.
package struct MetricFamily: Sendable {
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    package enum Value: Sendable {
        case integer(Int)
        case number(Double)
        case times(TimeHistogram)
    }

    package struct Sample: Sendable {
        package let labels: [(name: String, value: String)]
        package let value: Value

        package init(_ value: Value, by labels: [(name: String, value: String)] = []) {
            self.labels = labels
            self.value = value
        }
    }

    /// The name, with the unit and, for a counter, `_total` at its end.
    package let name: String
    package let kind: Kind
    /// The description, in one line.
    package let help: String
    package let samples: [Sample]

    package init(_ kind: Kind, _ name: String, _ help: String, _ samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }
}

/// A list of metrics as it is written down.
struct MetricList {
    private(set) var families: [MetricFamily] = []

    mutating func counter(_ name: String, _ help: String, _ value: some BinaryInteger) {
        add(.counter, name, help, [.init(.integer(Int(clamping: value)))])
    }

    mutating func counter(
        _ name: String, _ help: String, by label: String,
        _ values: some Sequence<(String, some BinaryInteger)>
    ) {
        add(.counter, name, help, Self.samples(by: label, values))
    }

    mutating func gauge(_ name: String, _ help: String, _ value: Int) {
        add(.gauge, name, help, [.init(.integer(value))])
    }

    mutating func gauge(
        _ name: String, _ help: String, by label: String,
        _ values: some Sequence<(String, some BinaryInteger)>
    ) {
        add(.gauge, name, help, Self.samples(by: label, values))
    }

    mutating func histogram(_ name: String, _ help: String, _ times: TimeHistogram) {
        add(.histogram, name, help, [.init(.times(times))])
    }

    mutating func add(
        _ kind: MetricFamily.Kind, _ name: String, _ help: String,
        _ samples: [MetricFamily.Sample]
    ) {
        families.append(MetricFamily(kind, name, help, samples))
    }

    private static func samples(
        by label: String, _ values: some Sequence<(String, some BinaryInteger)>
    ) -> [MetricFamily.Sample] {
        values.map { .init(.integer(Int(clamping: $0.1)), by: [(label, $0.0)]) }
    }
}
