/// The reason why a load has no figures, with advice for the user.
package struct LoadFailure: Error, Sendable, Hashable, CustomStringConvertible {
    package let problem: String
    package let advice: String

    package init(_ problem: String, advice: String) {
        self.problem = problem
        self.advice = advice
    }

    package var description: String { "\(problem). \(advice)" }
}

extension LoadReport {
    /// The shortest measured time that gives figures, in seconds.
    private static let secondsMin = 0.1
    /// The shortest time that is reported as a stall of the server, in nanoseconds.
    private static let stallMin = 1e8

    /// The reason why the figures would be meaningless; `nil` if they are meaningful.
    ///
    /// A load that lost a few connections has figures, and its errors are reported.
    package var failure: LoadFailure? {
        if let mismatch = tally.firstMismatch {
            return LoadFailure("wrong contents: \(mismatch)", advice: pathAdvice)
        }
        if ending == .failed {
            return LoadFailure(
                "the run was ended by \(errorsInWords)",
                advice: "Check the URL, and the server's log.")
        }
        let isShort = seconds < Self.secondsMin
        if ending == .interrupted, isShort || !hasMeasured {
            return LoadFailure(
                "interrupted: nothing was measured",
                advice: "Measuring begins after --warmup (\(Figures.number(warmupSeconds)) s).")
        }
        if isShort, seconds < plan.duration.inSeconds {
            return LoadFailure(
                "only \(Figures.number(seconds)) s were measured",
                advice: "Choose a longer --duration.")
        }
        if plan.scenario == .idle, tally.errors > 0 {
            return LoadFailure(errorsInWords, advice: pathAdvice)
        }
        return hasMeasured ? nil : nothingCameBack
    }

    private var warmupSeconds: Double { plan.warmup.inSeconds }

    /// Whether anything was measured.
    private var hasMeasured: Bool { plan.scenario == .idle || tally.messages > 0 }

    private var nothingCameBack: LoadFailure {
        if plan.scenario == .connect {
            return LoadFailure(
                "no connection was opened" + waitsInWords
                    + (tally.errors > 0 ? "; \(errorsInWords)" : ""),
                advice: "Check the URL, and that the server accepts connections.")
        }
        let errors = tally.errors > 0 ? "; \(errorsInWords)" : ""
        return LoadFailure("nothing came back" + waitsInWords + errors, advice: pathAdvice)
    }

    private var waitsInWords: String {
        guard tally.unanswered > 0 else { return "" }
        return ": \(unansweredInWords), the longest for \(longestWaitInWords)"
    }

    private var unansweredInWords: String {
        let (one, many) =
            switch plan.scenario {
            case .connect: ("handshake is", "handshakes are")
            case .fanout: ("delivery is", "deliveries are")
            default: ("message is", "messages are")
            }
        let count = tally.unanswered
        return "\(Figures.grouped(count)) \(count == 1 ? one : many) unanswered"
    }

    var longestWaitInWords: String { Figures.microseconds(Double(tally.longestWait) / 1e3) }

    /// The warning about messages that were unanswered at the end for so long that the server must
    /// have stalled; `nil` if they were only on their way.
    var stall: String? {
        let wait = Double(tally.longestWait)
        guard tally.unanswered > 0, wait >= max(Self.stallMin, seconds * 1e8) else { return nil }
        return """
            the server stopped answering: at the end \(unansweredInWords), the longest for \
            \(longestWaitInWords). The latencies include these waits; the rate is the average, \
            with the time of the stall.
            """
    }

    /// The advice on which path a load needs.
    private var pathAdvice: String {
        switch plan.scenario {
        case .echo:
            """
            The path must send each message back unchanged, as /echo of "apus serve --tools" does.
            """
        case .fanout:
            """
            The path must send each message unchanged to all connections, as /broadcast of \
            "apus serve --tools" does.
            """
        case .idle:
            """
            The path must send each message back unchanged, as /echo of "apus serve --tools" \
            does; for other paths use --silent.
            """
        case .connect: "Check the URL."
        }
    }
}
