import UVTransport

/// The counting of a ``LoadWorker``'s messages, and the decision when a fan-out's next one is due.
extension LoadWorker {
    private static let sampleInterval = 1_000

    /// Returns the number of a connection's next messages whose contents are not checked, after the
    /// first `messages` of this read.
    @inline(__always)
    func messagesUnseen(on connection: LoadConnection, after messages: Int) -> Int {
        // A message before there is a pool is a greeting.
        if connection.isPublisher || pool == nil { return .max }
        if connection.context != nil || connection.received &+ messages == 0 { return 0 }
        return sampleLeft &- messages
    }

    /// Returns whether the contents of the message that begins are compared.
    func takeWantsContents(of connection: LoadConnection, after messages: Int) -> Bool {
        guard messagesUnseen(on: connection, after: messages) <= 0 else { return false }
        if sampleLeft <= messages {
            sampleLeft = Self.sampleInterval + messages
        }
        return true
    }

    /// Counts the complete messages of one read.
    func count(_ messages: Int, on connection: LoadConnection, _ now: UInt64) {
        if connection.isPublisher { return }
        sampleLeft &-= messages
        if isMeasuring {
            tally.messages &+= messages
            tally.payloadIn &+= pool.size(of: messages, from: connection.replyIndex)
        }
        if plan.scenario == .fanout {
            countDeliveries(messages, on: connection, now)
        } else if let schedule {
            for number in connection.received..<connection.received &+ messages {
                record(now, since: schedule.due(number &* share &+ connection.number), 1)
            }
        } else {
            // Messages of one write share one stamp.
            var left = messages
            while left > 0 {
                let (stamp, count) = connection.takeStamps(atMost: left)
                record(now, since: stamp, UInt32(truncatingIfNeeded: count))
                left &-= count
            }
        }
    }

    @inline(__always)
    private func record(_ now: UInt64, since: UInt64, _ count: UInt32) {
        if isMeasuring { tally.record(now > since ? now &- since : 0, count) }
    }

    private func countDeliveries(_ messages: Int, on connection: LoadConnection, _ now: UInt64) {
        let first = connection.received
        if let schedule {
            for number in first..<first &+ messages { record(now, since: schedule.due(number), 1) }
            return
        }
        let fanout = fanout!
        var complete = 0
        for number in first..<first &+ messages {
            record(now, since: fanout.sentAt(number), 1)
            let slot = number & (delivered.count - 1)
            delivered[slot] += 1
            guard delivered[slot] == share else { continue }
            delivered[slot] = 0
            if fanout.delivered(number) { complete += 1 }
        }
        if complete > 0 { publishNext(complete) }
    }

    /// Sends as many publications as all subscribers have now received; callable on any loop.
    private func publishNext(_ count: Int) {
        if isPublishing {
            publish(count)
        } else {
            publishing.loop.execute { [publishing = publishing!] in publishing.publish(count) }
        }
    }

    /// Sends the next publications. Each publisher sends its share in one write.
    func publish(_ count: Int) {
        guard isRunning else { return }
        let fanout = fanout!
        let now = Clocks.now
        for _ in 0..<count {
            connections[share + fanout.published % publishers].owed += 1
            fanout.begin(now: now)
        }
        for index in 0..<publishers {
            let publisher = connections[share + index]
            let owed = publisher.owed
            publisher.owed = 0
            if owed > 0 { publisher.send(owed, at: now) }
        }
    }
}
