extension LoadReport {
    /// The table of the figures, one per row, each with its explanation.
    package var table: TextTable {
        var table = TextTable(["", ""], words: 2)
        func add(_ name: String, _ value: String) { table.add([name, value]) }
        add("load", loadInWords)
        if let agreement { add("compression", agreement) }
        if plan.scenario != .idle { addRates(add) }
        if hasLatencies { add("latency", latencyInWords) }
        if let server { addServer(server, add) }
        if let memoryAfter, let memoryPerConnection {
            var text = Figures.bytes(Double(memoryAfter.resident))
            // The memory means nothing if the server has had other clients before.
            if plan.scenario == .idle {
                text += ", \(Figures.bytes(memoryPerConnection)) a connection"
                if let ownMemoryPerConnection {
                    text += ", \(Figures.bytes(ownMemoryPerConnection)) of it heap and stacks"
                }
            }
            add("server memory", text)
        }
        if plan.scenario == .idle {
            let open = Figures.number(openingSeconds)
            add("opened in", "\(open) s, kept for \(Figures.number(seconds)) s")
        }
        add("generator", generatorInWords)
        if let machine { add("other programs", machine.inWords) }
        if plan.scenario != .connect {
            add(
                "contents",
                "\(Figures.grouped(tally.verified)) messages compared with what was sent")
        }
        return table
    }

    /// The table, followed by the warnings.
    package var text: String {
        // The empty heads of the columns are left out.
        let lines = table.text.split(separator: "\n").filter { !$0.allSatisfy { $0 == " " } }
        return (lines + warnings.map { "! \($0)" }).joined(separator: "\n") + "\n"
    }

    package var markdown: String {
        var table = self.table
        table.columns = ["\(plan.scenario.rawValue)", plan.shownURL]
        return table.markdown + warnings.map { "\n**Note:** \($0)\n" }.joined()
    }

    private var loadInWords: String {
        var parts = ["\(plan.scenario.rawValue), \(Figures.grouped(plan.connections)) connections"]
        if plan.scenario == .fanout {
            parts = ["fanout to \(Figures.grouped(plan.connections)) subscribers"]
            if plan.publishers > 1 { parts.append("\(plan.publishers) publishers") }
        }
        if plan.scenario == .echo || plan.scenario == .fanout {
            if let rate = plan.rate {
                parts.append("\(Figures.number(rate)) messages/s as scheduled")
            } else {
                parts.append("\(plan.inFlight) in flight")
            }
        }
        if plan.scenario != .connect { parts.append(messagesInWords) }
        return parts.joined(separator: ", ")
    }

    private var messagesInWords: String {
        if let file = plan.lines { return "\(file.linesInWords), whole" }
        return "\(plan.payload.name) of \(plan.sizes?.text ?? "")"
    }

    private func addRates(_ add: (String, String) -> Void) {
        let seconds = Figures.number(seconds)
        let rate = Figures.number(messagesPerSecond)
        switch plan.scenario {
        case .connect: return add("handshakes", "\(rate)/s over \(seconds) s")
        case .fanout: add("deliveries", "\(rate)/s over \(seconds) s")
        default: add("messages", "\(rate)/s over \(seconds) s")
        }
        let perSecond = { (bytes: Int) in Figures.bytes(Double(bytes) / self.seconds) + "/s" }
        add(
            "from the server",
            "payloads \(perSecond(tally.payloadIn)), wire \(perSecond(tally.wireIn)): "
                + "\(Figures.number(wirePerMessage)) B a message"
                + (ratio.map { ", \(Figures.percent($0)) of its payload" } ?? ""))
        add(
            "to the server",
            "payloads \(perSecond(tally.payloadOut)), wire \(perSecond(tally.wireOut)): "
                + "\(Figures.number(wirePerMessageOut)) B a message")
    }

    private var latencyInWords: String {
        let values = [("p50", 50.0), ("p99", 99), ("p99.9", 99.9)].map {
            "\($0.0) \(Figures.microseconds(latency($0.1)))"
        }
        var since = plan.rate == nil ? "" : " since each was due"
        if tally.unanswered > 0, plan.rate != nil || stall != nil {
            since += "; \(Figures.grouped(tally.unanswered)) still unanswered at the end"
        }
        let list = (values + ["max \(Figures.microseconds(latencyMax))"]).joined(separator: ", ")
        return list + since
    }

    private func addServer(_ server: ServerUse, _ add: (String, String) -> Void) {
        var text = "\(Figures.percent(server.busy)) of a core"
        if plan.scenario != .idle, let cpuPerMessage, let userPerMessage {
            let unit = plan.scenario == .connect ? "handshake" : "message"
            text =
                "\(Figures.number(cpuPerMessage)) µs a \(unit), "
                + "\(Figures.number(userPerMessage)) µs of it in user space; " + text
        }
        add("server CPU", text)
    }

    private var generatorInWords: String {
        let busy = generatorBusy.map(Figures.percent).joined(separator: ", ")
        return "\(plan.loops) \(plan.loops == 1 ? "loop" : "loops"), \(busy) busy"
    }
}
