import Histogram

/// What a load found: counts, times, and what they may not mean.
package struct LoadReport: Sendable {
    package let plan: LoadPlan
    package var tally = LoadTally()
    /// Time measured.
    package var seconds = 0.0
    /// Time until all connections were open.
    package var openingSeconds = 0.0
    /// `Sec-WebSocket-Extensions` of the answer; `nil` without compression.
    package var agreement: String?
    /// CPU time by wall time of each of our loops.
    package var generatorBusy: [Double] = []
    package var server: ServerUse?
    package var machine: MachineUse?
    /// The memory of the server before the first connection, and at the end.
    package var memoryBefore: ServerProcess.Memory?
    package var memoryAfter: ServerProcess.Memory?
    package var ending = Ending.whole
    /// What keeps the figures from meaning what they seem to.
    package private(set) var warnings: [String] = []

    /// How a load came to its end.
    package enum Ending: Sendable {
        /// It was measured for the time that the plan says.
        case whole
        /// It was cancelled, by Ctrl-C for instance.
        case interrupted
        /// There was no point in going on after errors.
        case failed
    }

    package var wasInterrupted: Bool { ending == .interrupted }

    /// From here on, a thread has no time left.
    static let busyMin = 0.9

    package init(_ plan: LoadPlan) { self.plan = plan }

    // MARK: - Figures

    package var messagesPerSecond: Double { seconds > 0 ? Double(tally.messages) / seconds : 0 }

    /// Microseconds at a percentile, 0…100.
    package func latency(_ percentile: Double) -> Double {
        Double(tally.latency.valueAtPercentile(percentile)) / 1e3
    }

    package var latencyMax: Double { hasLatencies ? Double(tally.latency.max) / 1e3 : 0 }

    /// Whether anything came back, or was waited for.
    var hasLatencies: Bool { tally.messages + tally.unanswered > 0 }

    /// Bytes of a message's frame from the server.
    package var wirePerMessage: Double { each(tally.wireIn) }
    /// Bytes of a frame to the server.
    package var wirePerMessageOut: Double {
        tally.messagesOut > 0 ? Double(tally.wireOut) / Double(tally.messagesOut) : 0
    }

    /// Bytes on the wire, from the server, by bytes of messages.
    package var ratio: Double? {
        tally.payloadIn > 0 ? Double(tally.wireIn) / Double(tally.payloadIn) : nil
    }

    /// Microseconds of the server's CPU for a message.
    package var cpuPerMessage: Double? { server.map { each($0.cpuSeconds * 1e6) } }
    package var userPerMessage: Double? { server.map { each($0.userSeconds * 1e6) } }

    /// Bytes of resident memory for each connection.
    package var memoryPerConnection: Double? {
        memoryPerConnection(from: memoryBefore?.resident, to: memoryAfter?.resident)
    }

    /// Bytes of the server's own memory for each connection.
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

    /// Whether it was the generator that had no time left, and not the server.
    package var isGeneratorBound: Bool {
        (generatorBusy.max() ?? 0) > Self.busyMin
            && server.map { $0.busiestThread < Self.busyMin } ?? false
    }

    /// Whether the server had time left because nobody asked more of it: a closed loop was all that
    /// it got, and the generator could have made more of it.
    package var isServerUnderused: Bool {
        guard plan.scenario != .idle, plan.rate == nil, !isGeneratorBound else { return false }
        return server.map { $0.busiestThread < Self.busyMin } ?? false
    }

    /// Finds what is to be said of the figures.
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

    /// The value of `Sec-WebSocket-Extensions` in a response's head.
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
