/// The measurements of a comparison, and the conclusions from them.
package struct CompareResult: Sendable {
    package let plan: ComparePlan
    /// Each case, with its runs in order.
    package private(set) var runs: [(one: CompareCase, reports: [LoadReport])] = []
    /// The cases that could not be measured, with the reasons.
    package var failures: [(one: CompareCase, failure: LoadFailure)] = []
    /// Whether the comparison was cancelled.
    package var wasInterrupted = false
    /// The ways that the server does not agree to, with its answers.
    package var refusals: [CompareCase.Way: String] = [:]

    package init(_ plan: ComparePlan) { self.plan = plan }

    package mutating func add(_ one: CompareCase, _ report: LoadReport) {
        if let index = runs.firstIndex(where: { $0.one == one }) {
            runs[index].reports.append(report)
        } else {
            runs.append((one, [report]))
        }
    }

    /// The median run of each case, by the server's CPU time if known, else by the rate.
    package var measured: [(one: CompareCase, report: LoadReport)] {
        runs.map { ($0.one, Self.median($0.reports)) }
    }

    private static func median(_ reports: [LoadReport]) -> LoadReport {
        func key(_ report: LoadReport) -> Double {
            report.cpuPerMessage ?? report.messagesPerSecond
        }
        return reports.sorted { key($0) < key($1) }[reports.count / 2]
    }

    /// The reason why there is nothing to compare; `nil` if there is something.
    package var failure: LoadFailure? {
        guard runs.isEmpty else { return nil }
        if let (one, failure) = failures.first {
            return LoadFailure("\(one.name): \(failure.problem)", advice: failure.advice)
        }
        if wasInterrupted {
            return LoadFailure(
                "interrupted: nothing was measured", advice: "--quick takes less time.")
        }
        let refusal = refusals.sorted { $0.key.rawValue < $1.key.rawValue }.first
        return LoadFailure(
            refusal.map { "\($0.key.name) is not measured: \($0.value)" } ?? "there are no cases",
            advice: "Choose other sizes or subscribers.")
    }

    /// Typical link speeds of users, in Mbit/s.
    package static let links: [(name: String, megabits: Double)] = [
        ("10 Mbit/s", 10), ("100 Mbit/s", 100), ("1 Gbit/s", 1_000), ("10 Gbit/s", 10_000),
    ]

    /// The explanation of break-even.
    package static let payNote = """
        Compression pays on a link if the link would need more time for the bytes that are saved \
        than the CPU needs to save them. Within noise: the CPU times of the two cases differ by \
        less than those of one case do from run to run.
        """
    /// The explanation of which link is meant.
    package static let linkNote = """
        The link is the server's own, which all messages share: for an echo the bytes of both \
        directions count, for a fan-out those of all deliveries. It is not the link of one \
        subscriber.
        """
    /// The explanation of the directions in which takeover applies.
    package static let takeoverNote = """
        Takeover is from server to client only: what clients send is compressed on its own, with \
        real takeover and shared context, too.
        """

    /// The explanations of the answers, one paragraph each.
    package var notes: [String] {
        var notes = [Self.payNote, Self.linkNote, Self.takeoverNote]
        if plan.server != nil {
            notes.append(
                """
                The ways are what the server was offered: nothing; both sides' messages alone \
                (server_no_context_takeover, client_no_context_takeover); and takeover.
                """)
        }
        if let file = plan.file {
            notes.append("Messages are \(file.linesInWords), whole; their size is the average.")
        }
        return notes
    }

    package func report(_ one: CompareCase) -> LoadReport? {
        runs.first { $0.one == one }.map { Self.median($0.reports) }
    }

    // MARK: - Break-even

    /// Returns the break-even of a case against the plain case with the same load. Returns `nil`
    /// for a plain case, or without CPU times.
    package func breakEven(_ one: CompareCase) -> BreakEven? {
        var plain = one
        plain.way = .plain
        guard one.way != .plain, let before = report(plain).flatMap(Self.cost),
            let after = report(one).flatMap(Self.cost)
        else { return nil }
        let noise = max(spread(plain) ?? 0, spread(one) ?? 0)
        return BreakEven(plain: before, compressed: after, noise: noise)
    }

    /// Returns the spread of the CPU times of a case's runs, in microseconds per message.
    package func spread(_ one: CompareCase) -> Double? {
        let times = cpuTimes(one)
        guard let least = times.min(), let most = times.max() else { return nil }
        return most - least
    }

    /// Returns the CPU times of the runs, in their order.
    func cpuTimes(_ one: CompareCase) -> [Double] {
        runs.first { $0.one == one }?.reports.compactMap(\.cpuPerMessage) ?? []
    }

    /// Returns a message's bytes on the wire and its CPU time. An echo goes both ways.
    static func cost(_ report: LoadReport) -> (wire: Double, cpu: Double)? {
        guard let cpu = report.cpuPerMessage else { return nil }
        let isEcho = report.plan.scenario == .echo
        return (report.wirePerMessage + (isEcho ? report.wirePerMessageOut : 0), cpu)
    }

    /// A load with a way of compressing, and the size from which each kind of link gains.
    package struct Answer: Sendable {
        package var way: CompareCase.Way
        package var subscribers: Int?
        /// The smallest message that gains, for each of ``CompareResult/links``.
        package var smallestSizes: [Int?]
    }

    /// The table of the answers, one per row.
    package var answerTable: TextTable {
        var table = TextTable(["pays from", ""] + Self.links.map(\.name), words: 2)
        for answer in answers {
            let load = CompareCase(answer.way, size: 0, subscribers: answer.subscribers).loadName
            let sizes = answer.smallestSizes.map { $0.map(Figures.size) ?? "never" }
            table.add([load, answer.way.name] + sizes)
        }
        return table
    }

    package var answers: [Answer] {
        let loads = [nil] + plan.subscribers.map(Optional.some)
        return loads.flatMap { subscribers in
            [CompareCase.Way.alone, .takeover, .shared].compactMap { way -> Answer? in
                let sizes = subscribers == nil ? plan.sizes : plan.fanoutSizes
                let points = sizes.compactMap { size in
                    breakEven(CompareCase(way, size: size, subscribers: subscribers))
                        .map { (size: size, breakEven: $0) }
                }
                guard !points.isEmpty else { return nil }
                return Answer(
                    way: way, subscribers: subscribers,
                    smallestSizes: Self.links.map {
                        BreakEven.smallestSize(paying: $0.megabits, points)
                    })
            }
        }
    }

    // MARK: - Tables

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
