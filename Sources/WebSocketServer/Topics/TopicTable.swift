import HTTPProtocol

/// One loop's topics and who subscribes to them. Subscribing, unsubscribing and leaving are O(1)
/// for each topic, but for a look through the topics of the one connection.
struct TopicTable {
    private var topics: [ExactString: LoopTopic] = [:]

    var count: Int { topics.count }
    var all: some Sequence<LoopTopic> { topics.values }

    subscript(name: String) -> LoopTopic? { topics[ExactString(name)] }

    /// The topic, and whether it is the loop's first subscription to it; `nil` if there is one of
    /// this subscriber's already.
    mutating func subscribe(
        _ subscriber: Subscriber, to name: String, policy: SlowSubscriberPolicy
    ) -> Bool? {
        let topic = self[name]
        if let topic, subscriber.index(of: topic) != nil { return nil }
        let joined = topic ?? LoopTopic(name: name, policy: policy)
        if topic == nil { topics[ExactString(name)] = joined }
        joined.count(subscriber.mode, 1)
        if subscriber.mode == .shared || subscriber.mode == .alone {
            joined.level = max(joined.level, subscriber.level)
        }
        subscriber.memberships.append(.init(topic: joined, place: Int32(joined.entries.count)))
        unsafe joined.entries.append(
            .init(
                subscriber: .passUnretained(subscriber),
                membership: Int32(subscriber.memberships.count - 1)))
        return topic == nil
    }

    /// Whether it was the loop's last subscription; `nil` if there is none of this subscriber's.
    mutating func unsubscribe(_ subscriber: Subscriber, from name: String) -> Bool? {
        guard let topic = self[name], let index = subscriber.index(of: topic) else { return nil }
        remove(subscriber, index)
        return topic.entries.isEmpty
    }

    /// Ends all of a subscriber's subscriptions: the names of topics that have none left.
    mutating func leave(_ subscriber: Subscriber) -> [String] {
        var emptied: [String] = []
        while let last = subscriber.memberships.last {
            remove(subscriber, subscriber.memberships.count - 1)
            if last.topic.entries.isEmpty { emptied.append(last.topic.name) }
        }
        return emptied
    }

    /// Both lists are dense: the last takes the place of the one that goes.
    private mutating func remove(_ subscriber: Subscriber, _ index: Int) {
        let membership = subscriber.memberships[index]
        let lastMembership = subscriber.memberships.removeLast()
        if index < subscriber.memberships.count {
            subscriber.memberships[index] = lastMembership
            lastMembership.topic.entries[Int(lastMembership.place)].membership = Int32(index)
        }
        let topic = membership.topic
        topic.count(subscriber.mode, -1)
        let lastEntry = topic.entries.removeLast()
        if Int(membership.place) < topic.entries.count {
            topic.entries[Int(membership.place)] = lastEntry
            // Safety: who is listed is alive, see `LoopTopic.Entry`.
            unsafe lastEntry.subscriber._withUnsafeGuaranteedRef {
                $0.memberships[Int(lastEntry.membership)].place = membership.place
            }
        }
        if topic.entries.isEmpty { topics[ExactString(topic.name)] = nil }
    }
}

/// A topic on one loop.
final class LoopTopic {
    // Safety: a connection owns its subscriber, and takes it off all topics before it goes.
    @safe
    struct Entry {
        let subscriber: Unmanaged<Subscriber>
        /// Place in the subscriber's list.
        var membership: Int32
    }

    let name: String
    let policy: SlowSubscriberPolicy
    fileprivate(set) var entries: ContiguousArray<Entry> = []
    /// Those whose frames refer to earlier publications.
    fileprivate(set) var sharing = 0
    /// Those who compress for themselves.
    fileprivate(set) var own = 0
    /// Those whose frames are not compressed.
    fileprivate(set) var plain = 0
    /// The highest level that a subscriber's route has wanted, 1…9.
    fileprivate(set) var level = 1

    fileprivate init(name: String, policy: SlowSubscriberPolicy) {
        self.name = name
        self.policy = policy
    }

    fileprivate func count(_ mode: Subscriber.Mode, _ change: Int) {
        switch mode {
        case .shared: sharing += change
        case .own: own += change
        case .plain: plain += change
        case .alone: break
        }
    }
}
