import UVTransport

/// The sending of a ``LoadWorker``: at the beginning, for each answer, or on schedule.
extension LoadWorker {
    /// Begins to send; `beginning` is a time of ``Clocks/now``.
    func start(beginning: UInt64) {
        isRunning = true
        if plan.spins { spinner = .start(loop: loop) { [unowned self] in turn() } }
        if let rate = plan.rate { return startSchedule(rate, beginning) }
        switch plan.scenario {
        case .echo: for connection in connections { connection.send(inFlight, at: Clocks.now) }
        case .fanout: if isPublishing { publish(inFlight) }
        case .idle: if plan.sendsOne { sendIdle(LoadPlan.openingMax) }
        case .connect: open()
        }
    }

    private func startSchedule(_ rate: Double, _ beginning: UInt64) {
        let isFanout = plan.scenario == .fanout
        let own = isFanout ? rate : rate * Double(share) / Double(plan.connections)
        guard own > 0 else { return }
        let schedule = Schedule(rate: own, beginning: beginning)
        self.schedule = schedule
        guard !isFanout || isPublishing else { return }
        let isBatched = schedule.isBatched
        let interval = isBatched ? Schedule.batchPeriod : schedule.wait(at: Clocks.now)
        do throws(TransportError) {
            timer = try PrecisionTimer.start(loop: loop, interval: interval) { [unowned self] in
                sendDue()
                // The waits may differ, so each one is set anew.
                if !isBatched { timer?.set(interval: self.schedule!.wait(at: Clocks.now)) }
            }
        } catch {
            note("\(error)")
        }
    }

    /// Sends the messages that have become due, within the limit of pending ones.
    private func sendDue() {
        guard isRunning else { return }
        let due = schedule!.take(now: Clocks.now)
        if due.isEmpty { return }
        let first = plan.scenario == .fanout ? share : 0
        let senders = connections.count - first
        for number in due { connections[first + number % senders].owed += 1 }
        for number in due.prefix(senders) { connections[first + number % senders].sendOwed() }
    }

    /// Answers the messages that came back on a connection in one read.
    func answer(_ messages: Int, on connection: LoadConnection, _ now: UInt64) {
        guard isRunning else { return }
        switch plan.scenario {
        case .echo:
            if schedule == nil {
                connection.send(messages, at: now)
            } else {
                connection.sendOwed()
            }
        case .idle: sendIdle(1)
        case .fanout, .connect: break
        }
    }

    private func sendIdle(_ count: Int) {
        for _ in 0..<count where nextIdle < connections.count {
            nextIdle += 1
            connections[nextIdle - 1].send(1, at: Clocks.now)
        }
    }
}
