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
}
