public import HTTPProtocol

/// One loop's topics and their subscribers. Subscribing, unsubscribing and leaving take constant
/// time for each topic, except for a search through the topics of the one connection.
@usableFromInline
package struct TopicTable {
    @usableFromInline var topics: [ExactString: Topic] = [:]

    package init() {}

    package var count: Int { topics.count }
    package var all: some Sequence<Topic> { topics.values }

    @inlinable package subscript(name: String) -> Topic? { topics[ExactString(name)] }

    /// Subscribes to a topic, which its first subscriber creates.
    ///
    /// - Returns: Whether this is the loop's first subscription to the topic; `nil` if the
    ///   subscriber has one already.
    package mutating func subscribe(
        _ subscriber: Subscriber, to name: String, policy: SlowSubscriberPolicy
    ) -> Bool? {
        let topic = self[name]
        if let topic, subscriber.index(of: topic) != nil { return nil }
        let joined = topic ?? Topic(name: name, policy: policy)
        if topic == nil { topics[ExactString(name)] = joined }
        joined.count(subscriber.mode, 1)
        if subscriber.mode == .shared || subscriber.mode == .standalone {
            joined.level = max(joined.level, subscriber.level)
        }
        subscriber.memberships.append(
            .init(topic: joined, place: Int32(joined.entries.count)))
        unsafe joined.entries.append(
            .init(
                subscriber: .passUnretained(subscriber),
                membership: Int32(subscriber.memberships.count - 1)))
        return topic == nil
    }

    /// Ends a subscription.
    ///
    /// - Returns: Whether it was the loop's last subscription to the topic; `nil` if the subscriber
    ///   has none.
    package mutating func unsubscribe(_ subscriber: Subscriber, from name: String) -> Bool? {
        guard let topic = self[name], let index = subscriber.index(of: topic) else { return nil }
        remove(subscriber, index)
        return topic.entries.isEmpty
    }

    /// Ends all of a subscriber's subscriptions. Returns the names of the topics that have no
    /// subscription left.
    package mutating func leave(_ subscriber: Subscriber) -> [String] {
        var emptied: [String] = []
        while let last = subscriber.memberships.last {
            remove(subscriber, subscriber.memberships.count - 1)
            if last.topic.entries.isEmpty { emptied.append(last.topic.name) }
        }
        return emptied
    }

    /// Removes a membership. Both lists are dense: the last element moves to the place that becomes
    /// free.
    private mutating func remove(_ subscriber: Subscriber, _ index: Int) {
        let membership = subscriber.memberships[index]
        let lastMembership = subscriber.memberships.removeLast()
        if index < subscriber.memberships.count {
            subscriber.memberships[index] = lastMembership
            lastMembership.topic.entries[Int(lastMembership.place)].membership =
                Int32(index)
        }
        let topic = membership.topic
        topic.count(subscriber.mode, -1)
        let lastEntry = topic.entries.removeLast()
        if Int(membership.place) < topic.entries.count {
            topic.entries[Int(membership.place)] = lastEntry
            // Safety: a listed subscriber is alive, see `Topic.Entry`.
            unsafe lastEntry.subscriber._withUnsafeGuaranteedRef {
                $0.memberships[Int(lastEntry.membership)].place = membership.place
            }
        }
        if topic.entries.isEmpty { topics[ExactString(topic.name)] = nil }
    }
}

/// A topic on one loop.
@usableFromInline
package final class Topic {
    // Safety: a connection owns its subscriber, and ends all its subscriptions before it is freed.
    @safe
    package struct Entry {
        package let subscriber: Unmanaged<Subscriber>
        /// The position in the subscriber's list.
        var membership: Int32
    }

    package let name: String
    package var policy: SlowSubscriberPolicy
    package fileprivate(set) var entries: ContiguousArray<Entry> = []
    /// The number of subscribers by mode, at the mode's raw value.
    private var counts: [4 of Int] = [0, 0, 0, 0]
    /// The highest level that a subscriber's route has asked for, 1…9.
    package fileprivate(set) var level = 1

    fileprivate init(name: String, policy: SlowSubscriberPolicy) {
        self.name = name
        self.policy = policy
    }

    /// Returns the number of subscribers with a mode.
    package func count(of mode: EncodingMode) -> Int { counts[Int(mode.rawValue)] }

    fileprivate func count(_ mode: EncodingMode, _ change: Int) {
        counts[Int(mode.rawValue)] += change
    }
}
