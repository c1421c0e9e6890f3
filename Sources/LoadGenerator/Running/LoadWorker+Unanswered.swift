import Histogram

/// What a ``LoadWorker`` counts at the end of messages that are not answered. Without them the worst
/// stall, which lasts to the end, would leave no trace.
extension LoadWorker {
    /// Latencies recorded at most of one connection's messages that are unanswered.
    private static let unansweredMax = 1_000

    /// Counts the messages that are unanswered, and records how long they have waited.
    ///
    /// A connection that is over is an error, and counted as one.
    func countUnanswered(_ now: UInt64, published: Int) {
        guard unsafe isRunning else { return }
        if unsafe schedule != nil { return countDue(now) }
        let usual = unsafe tally.messages > 0 ? tally.latency.valueAtPercentile(99) : 0
        for connection in connections where !connection.isPublisher {
            switch plan.scenario {
            case .echo where unsafe connection.phase == .open:
                connection.eachUnderWay { unanswered($1, since: $0, now, usual) }
            case .fanout where unsafe connection.phase == .open:
                let received = unsafe connection.received
                for number in received..<max(received, published) {
                    unanswered(1, since: fanout!.sentAt(number), now, usual)
                }
            case .connect where unsafe connection.phase < .open:
                unanswered(1, since: unsafe connection.began, now, usual)
            default: break
            }
        }
    }

    /// Messages of a closed loop. Most are on their way as always: of these the time so far would
    /// make the latencies look better than they are. Those that have waited for longer than is
    /// `usual` make them look worse, as they should.
    private func unanswered(_ count: Int, since: UInt64, _ now: UInt64, _ usual: UInt64) {
        let wait = now > since ? now - since : 0
        unsafe tally.unanswered += count
        unsafe tally.longestWait = unsafe max(tally.longestWait, wait)
        if wait > usual { unsafe tally.record(wait, UInt32(truncatingIfNeeded: count)) }
    }

    /// Messages of an open loop, from when they were due.
    private func countDue(_ now: UInt64) {
        let schedule = unsafe schedule!
        let isFanout = plan.scenario == .fanout
        let due = schedule.dueCount(at: now)
        for connection in connections
        where unsafe !connection.isPublisher && connection.phase == .open {
            // Its n-th message is that number of the schedule's.
            let (step, first) = isFanout ? (1, 0) : (share, connection.number)
            let received = unsafe connection.received
            let waiting = (due - first + step - 1) / step - received
            guard waiting > 0 else { continue }
            unsafe tally.unanswered += waiting
            // Of very many one stands for its neighbours.
            let each = (waiting - 1) / Self.unansweredMax + 1
            for start in stride(from: 0, to: waiting, by: each) {
                let since = schedule.due((received + start) * step + first)
                let wait = now > since ? now - since : 0
                let count = UInt32(truncatingIfNeeded: min(each, waiting - start))
                unsafe tally.longestWait = unsafe max(tally.longestWait, wait)
                unsafe tally.record(wait, count)
            }
        }
    }
}
