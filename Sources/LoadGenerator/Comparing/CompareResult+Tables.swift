/// The tables of a comparison.
extension CompareResult {
    package var table: TextTable {
        var table = TextTable(
            [
                "load", "way", "size", "msgs/s", "payload", "wire", "B/msg", "ratio", "CPU µs",
                "±", "p50 µs", "p99", "p99.9", "max", "B/conn", "pays",
            ], words: 2)
        for (one, report) in measured {
            let latencies = [50, 99, 99.9].map { Figures.number(report.latency($0)) }
            // With few connections, this would be the memory of the process itself.
            let memory = report.plan.connections >= 100 ? report.memoryPerConnection : nil
            let rate = { (bytes: Int) in Figures.bytes(Double(bytes) / report.seconds) + "/s" }
            table.add(
                [
                    one.loadName, one.way.name, Figures.size(one.size),
                    Figures.number(report.messagesPerSecond), rate(report.tally.payloadIn),
                    rate(report.tally.wireIn), Figures.number(report.wirePerMessage),
                    report.ratio.map(Figures.percent) ?? "",
                    report.cpuPerMessage.map(Figures.number) ?? "", spreadText(one),
                ] + latencies + [
                    Figures.number(report.latencyMax), memory.map(Figures.number) ?? "",
                    breakEven(one)?.text ?? "",
                ])
        }
        return table
    }

    /// Returns half the spread of the runs' CPU times, relative to the median.
    private func spreadText(_ one: CompareCase) -> String {
        guard cpuTimes(one).count > 1, let spread = spread(one),
            let cpu = report(one)?.cpuPerMessage, cpu > 0
        else { return "" }
        return Figures.percent(spread / 2 / cpu)
    }

    /// The reasons not to take the figures at face value.
    package var warnings: [String] {
        var warnings: [String] = []
        if plan.serverCores.isEmpty, plan.server == nil {
            warnings.append("there is one core only: the server and the generator share it")
        }
        if let server = plan.server, server.processes.isEmpty {
            warnings.append(
                """
                the server's process can't be seen, and so not when compression pays: on this \
                machine --pid names it
                """)
        }
        for (way, refusal) in refusals.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            warnings.append("\(way.name) is not measured: \(refusal)")
        }
        let faults = runs.compactMap { one, reports in
            reports.first { $0.tally.errors > 0 }.map { (one, $0.errorsInWords) }
        }
        for (one, detail) in faults + failures.map({ ($0.one, $0.failure.problem) }) {
            warnings.append("\(one.name): \(detail)")
        }
        let bound = measured.filter { $0.report.isGeneratorBound }
        if !bound.isEmpty {
            let cases = bound.map { ($0.one, "") }
            warnings.append(
                """
                in \(bound.count) of \(measured.count) cases the generator was the bottleneck: \
                rates and latencies there are its own; CPU per message still holds. \
                \(Self.list(cases))
                """)
        }
        let underused = measured.filter { $0.report.isServerUnderused }
        if !underused.isEmpty {
            warnings.append(
                Self.warning(ofUnderused: underused, among: measured.count))
        }
        if case .file(let file) = plan.payload, file.bytes.count < Self.windowSize {
            warnings.append(
                """
                the file is smaller than a window of 32 KiB: what was sent comes again within it, \
                and takeover looks better than it is
                """)
        }
        let count = runs.reduce(failures.count) { $0 + $1.reports.count }
        let possible = plan.cases.count { refusals[$0.way] == nil }
        if count < possible * plan.repeats {
            warnings.append("the comparison ended early")
        }
        return warnings
    }

    /// The largest distance to which a compressed message may refer (RFC 7692 §7.1.2).
    private static let windowSize = 32 << 10

    /// Warns of cases in which the server could have done more. A range stands for more than ten,
    /// since a long list tells the reader little.
    static func warning(
        ofUnderused underused: [(one: CompareCase, report: LoadReport)], among count: Int
    ) -> String {
        let shares = underused.map { $0.report.server?.busiestThread ?? 0 }
        let many = underused.count == count ? "all \(count)" : "\(underused.count) of \(count)"
        let text = """
            in \(many) cases the server's busiest thread was not always busy: rates there are not \
            the most it can do; CPU per message still holds.
            """
        guard underused.count <= 10 else {
            let range = "\(Figures.percent(shares.min()!)) to \(Figures.percent(shares.max()!))"
            return "\(text) It was \(range) busy."
        }
        let cases = zip(underused, shares).map { ($0.one, " at \(Figures.percent($1))") }
        return "\(text) \(list(cases))"
    }

    /// Returns a list of cases with remarks: `echo, plain: 64 B, 1 KiB; echo, real takeover: 64 B`.
    private static func list(_ cases: [(CompareCase, String)]) -> String {
        var groups: [(name: String, sizes: [String])] = []
        for (one, remark) in cases {
            let name = "\(one.loadName), \(one.way.name)"
            let size = Figures.size(one.size) + remark
            if let index = groups.firstIndex(where: { $0.name == name }) {
                groups[index].sizes.append(size)
            } else {
                groups.append((name, [size]))
            }
        }
        return groups.map { "\($0.name): \($0.sizes.joined(separator: ", "))" }
            .joined(separator: "; ")
    }

    /// The machine and the versions, in one line.
    private var heading: String {
        let machine = CompareSummary.Machine.current.text(version: plan.version)
        return plan.server.map { "\($0.shownURL)\n\(machine)" } ?? machine
    }

    package var text: String {
        let notes = notes.map { $0 + "\n" }.joined()
        let parts = [heading + "\n", table.text, answerTable.text, notes]
        return parts.joined(separator: "\n") + warnings.map { "! \($0)\n" }.joined()
    }

    package var markdown: String {
        let parts =
            [heading + "\n", table.markdown, answerTable.markdown] + notes.map { $0 + "\n" }
        return parts.joined(separator: "\n") + warnings.map { "\n**Note:** \($0)\n" }.joined()
    }
}
