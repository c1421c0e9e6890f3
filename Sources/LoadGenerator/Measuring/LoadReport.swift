import Histogram

/// The results of a load: counts, times, and warnings about their meaning.
package struct LoadReport: Sendable {
    package let plan: LoadPlan
    package var tally = LoadTally()
    /// The measured time in seconds.
    package var seconds = 0.0
    /// The time until all connections were open, in seconds.
    package var openingSeconds = 0.0
    /// `Sec-WebSocket-Extensions` in the response; `nil` without compression.
    package var agreement: String?
    /// The CPU time of each of our loops, divided by the wall time.
    package var generatorBusy: [Double] = []
    package var server: ServerUse?
    package var machine: MachineUse?
    /// The memory of the server before the first connection, and at the end.
    package var memoryBefore: ServerProcess.Memory?
    package var memoryAfter: ServerProcess.Memory?
    package var ending = Ending.whole
    /// The reasons why the figures may mislead.
    package private(set) var warnings: [String] = []

    /// The way in which a load ended.
    package enum Ending: Sendable {
        /// The load was measured for the planned time.
        case whole
        /// The load was cancelled, for example by Ctrl-C.
        case interrupted
        /// The load was given up after errors.
        case failed
    }

    package var wasInterrupted: Bool { ending == .interrupted }

    /// The share of CPU time from which on a thread counts as fully busy.
    static let busyMin = 0.9

    package init(_ plan: LoadPlan) { self.plan = plan }

    // MARK: - Figures

    package var messagesPerSecond: Double { seconds > 0 ? Double(tally.messages) / seconds : 0 }

    /// Returns the latency at a percentile (0 to 100), in microseconds.
    package func latency(_ percentile: Double) -> Double {
        Double(tally.latency.valueAtPercentile(percentile)) / 1e3
    }

    package var latencyMax: Double { hasLatencies ? Double(tally.latency.max) / 1e3 : 0 }

    /// Whether any message came back, or was unanswered.
    var hasLatencies: Bool { tally.messages + tally.unanswered > 0 }

    /// The bytes on the wire for each message from the server.
    package var wirePerMessage: Double { each(tally.wireIn) }
    /// The bytes on the wire for each message to the server.
    package var wirePerMessageOut: Double {
        tally.messagesOut > 0 ? Double(tally.wireOut) / Double(tally.messagesOut) : 0
    }

    /// The bytes on the wire from the server, divided by the bytes of the messages.
    package var ratio: Double? {
        tally.payloadIn > 0 ? Double(tally.wireIn) / Double(tally.payloadIn) : nil
    }

    /// The microseconds of the server's CPU time for each message.
    package var cpuPerMessage: Double? { server.map { each($0.cpuSeconds * 1e6) } }
    package var userPerMessage: Double? { server.map { each($0.userSeconds * 1e6) } }

    /// The bytes of the server's resident memory for each connection.
    package var memoryPerConnection: Double? {
        memoryPerConnection(from: memoryBefore?.resident, to: memoryAfter?.resident)
    }

    /// The bytes of the server's own memory for each connection.
    package var ownMemoryPerConnection: Double? {
        memoryPerConnection(from: memoryBefore?.own, to: memoryAfter?.own)
    }

    private func memoryPerConnection(from before: Int?, to after: Int?) -> Double? {
        guard let before, let after, plan.connections > 0 else { return nil }
        return Double(after - before) / Double(plan.connections)
    }

    private func each(_ sum: Int) -> Double { each(Double(sum)) }

    private func each(_ sum: Double) -> Double {
        tally.messages > 0 ? sum / Double(tally.messages) : 0
    }

    // MARK: - Judgement

    /// Whether the generator, and not the server, had no time left.
    package var isGeneratorBound: Bool {
        (generatorBusy.max() ?? 0) > Self.busyMin
            && server.map { $0.busiestThread < Self.busyMin } ?? false
    }

    /// Whether the server was idle for want of load: in a closed loop, from a generator with time
    /// left.
    package var isServerUnderused: Bool {
        guard plan.scenario != .idle, plan.rate == nil, !isGeneratorBound else { return false }
        return server.map { $0.busiestThread < Self.busyMin } ?? false
    }

    /// Adds the warnings that follow from the figures.
    package mutating func judge() {
        warnings = []
        let busiest = generatorBusy.max() ?? 0
        if isGeneratorBound {
            warnings.append(
                """
                the generator was the bottleneck: its loop was \(percent(busiest)) busy, the \
                server's busiest thread \(percent(server!.busiestThread)). Rate and latency are \
                the generator's; CPU per message still holds. Try --loops \(plan.loops + 1), on \
                cores that the server does not use.
                """)
        } else if busiest > Self.busyMin, server == nil {
            warnings.append(
                """
                the generator's loop was \(percent(busiest)) busy, and the server's process can't \
                be seen: the figures may be the generator's. Try --loops \(plan.loops + 1), \
                or --pid.
                """)
        } else if isServerUnderused {
            warnings.append(
                """
                the server's busiest thread was only \(percent(server!.busiestThread)) busy: this \
                is not the most it can do. More --connections or --in-flight would ask more of it.
                """)
        }
        if let rate = plan.rate, plan.scenario == .echo || plan.scenario == .fanout {
            let expected = plan.scenario == .fanout ? rate * Double(plan.connections) : rate
            if messagesPerSecond < 0.98 * expected, ending == .whole {
                warnings.append(
                    """
                    only \(percent(messagesPerSecond / expected)) of the rate was reached: \
                    messages had to wait, and the latencies include that time.
                    """)
            }
        }
        if let stall { warnings.append(stall) }
        if ending != .whole { warnings.append("the run ended early") }
        if tally.errors > 0 { warnings.append(errorsInWords) }
    }

    /// The number of errors, and the first one.
    var errorsInWords: String {
        let count = tally.errors == 1 ? "1 error" : "\(tally.errors) errors, the first"
        return "\(count): \(tally.firstError ?? "unknown")"
    }

    private func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }

    /// Returns the value of `Sec-WebSocket-Extensions` in a response's head.
    static func extensionHeader(_ head: String) -> String? {
        for line in head.split(separator: "\r\n") {
            guard let colon = line.firstIndex(of: ":"),
                line[..<colon].lowercased() == "sec-websocket-extensions"
            else { continue }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return nil
    }
}
