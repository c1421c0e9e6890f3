import Histogram

/// The counting of a ``LoadWorker``'s unanswered messages at the end. Without them, the worst
/// stall, which lasts to the end, would leave no trace.
extension LoadWorker {
    /// The maximum number of latencies recorded for one connection's unanswered messages.
    private static let unansweredMax = 1_000

    /// Counts the unanswered messages, and records how long they have waited.
    ///
    /// A closed connection is counted as an error instead.
    func countUnanswered(_ now: UInt64, published: Int) {
        guard isRunning else { return }
        if schedule != nil { return countDue(now) }
        let usual = tally.messages > 0 ? tally.latency.valueAtPercentile(99) : 0
        for connection in connections where !connection.isPublisher {
            switch plan.scenario {
            case .echo where connection.phase == .open:
                connection.eachUnderWay { unanswered($1, since: $0, now, usual) }
            case .fanout where connection.phase == .open:
                let received = connection.received
                for number in received..<max(received, published) {
                    unanswered(1, since: fanout!.sentAt(number), now, usual)
                }
            case .connect where connection.phase < .open:
                unanswered(1, since: connection.began, now, usual)
            default: break
            }
        }
    }

    /// Counts the messages of a closed loop. Most are simply on their way: their times so far would
    /// make the latencies look too good, so they are left out. Messages that have waited longer
    /// than `usual` are recorded.
    private func unanswered(_ count: Int, since: UInt64, _ now: UInt64, _ usual: UInt64) {
        let wait = now > since ? now - since : 0
        tally.unanswered += count
        tally.longestWait = max(tally.longestWait, wait)
        if wait > usual { tally.record(wait, UInt32(truncatingIfNeeded: count)) }
    }

    /// Counts the messages of an open loop, from the times at which they were due.
    private func countDue(_ now: UInt64) {
        let schedule = schedule!
        let isFanout = plan.scenario == .fanout
        let due = schedule.dueCount(at: now)
        for connection in connections
        where !connection.isPublisher && connection.phase == .open {
            // Finds the numbers in the schedule of the connection's messages.
            let (step, first) = isFanout ? (1, 0) : (share, connection.number)
            let received = connection.received
            let waiting = (due - first + step - 1) / step - received
            guard waiting > 0 else { continue }
            tally.unanswered += waiting
            // If there are very many, each recorded message stands for its neighbours.
            let each = (waiting - 1) / Self.unansweredMax + 1
            for start in stride(from: 0, to: waiting, by: each) {
                let since = schedule.due((received + start) * step + first)
                let wait = now > since ? now - since : 0
                let count = UInt32(truncatingIfNeeded: min(each, waiting - start))
                tally.longestWait = max(tally.longestWait, wait)
                tally.record(wait, count)
            }
        }
    }
}
