import PubSub

/// Delivery in runs: a batch of one topic, for all subscribers that receive the same bytes.
extension TopicDelivery {
    /// Sends a batch in runs if all its publications have the same topic. Returns the modes whose
    /// subscribers have received it this way.
    func deliverInRuns(_ batch: [Publication]) -> EncodingModes {
        guard let topic = table[batch[0].topic],
            batch.allSatisfy({ $0.isSameTopic(as: batch[0]) })
        else { return .none }
        findRuns(of: topic, &runs)
        var rest = batch[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.countInRun(rest))
            runs.encode(part, level: topic.level, contexts: contexts)
            sendRuns(part, of: topic)
            rest = rest.dropFirst(part.count)
        }
        let modes = runs.modes
        runs.removeAll()
        return modes
    }

    private func findRuns(of topic: Topic, _ runs: inout PublicationRuns) {
        runs.begin(for: topic)
        let entries = topic.entries
        let areAlike = topic.count(of: .plain) == entries.count
        for index in entries.indices {
            prefetchNext(entries, after: index)
            unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                if runs.modes.contains(subscriber.mode), takesNow(subscriber) {
                    runs.add(subscriber)
                }
            }
            if areAlike, !runs.isEmpty { break }
        }
    }

    /// Returns how many publications may be sent in one run.
    private static func countInRun(_ publications: ArraySlice<Publication>) -> Int {
        var (count, size) = (0, 0)
        for publication in publications {
            size += unsafe publication.frame.count
            if count > 0, size > PendingFrames.sizeMax { break }
            count += 1
        }
        return count
    }

    private func sendRuns(_ publications: ArraySlice<Publication>, of topic: Topic) {
        // A subscriber that joins or leaves meanwhile changes the topic's list, but not this copy.
        let entries = topic.entries
        // A copy, so that references are counted once and not for each subscriber.
        let runs = self.runs
        let payloadCount = publications.reduce(0) { $0 + $1.payloadCount }
        for index in entries.indices {
            prefetchNext(entries, after: index)
            unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                guard runs.modes.contains(subscriber.mode) else { return }
                subscriber.withOwner(Consumer.self) { connection in
                    guard connection.takesMessages else { return }
                    guard isReady(subscriber, connection) else {
                        return queue(publications, of: topic, for: subscriber)
                    }
                    guard let place = runs.place(of: subscriber) else {
                        // It was sent something else meanwhile, and no run fits its window now.
                        queue(publications, of: topic, for: subscriber)
                        return resume(subscriber)
                    }
                    deliveries &+= UInt64(publications.count)
                    unsafe runs[place].bytes.withUnsafeBytes {
                        unsafe connection.writeFrames(
                            $0, count: publications.count, payloadCount: payloadCount)
                    }
                    if subscriber.mode == .shared {
                        subscriber.context = runs[place].contextAfter
                    }
                    if connection.hasOutbox { chargeUnsent(of: subscriber, connection) }
                }
            }
        }
    }
}
