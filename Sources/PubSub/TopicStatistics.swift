/// A topic that has subscribers.
public struct TopicStatistics: Sendable, Hashable {
    /// The name of the topic.
    public let name: String
    /// The number of its subscribers on this server; at least 1.
    public let subscribers: Int

    package init(name: String, subscribers: Int) {
        self.name = name
        self.subscribers = subscribers
    }
}

/// The counts of topic events.
public struct TopicCounts: Sendable, Equatable {
    /// The number of subscriptions now.
    public package(set) var subscriptions = 0
    /// The number of publications that reached a loop with subscribers.
    public package(set) var publications: UInt64 = 0
    /// The number of frames sent for them.
    public package(set) var deliveries: UInt64 = 0
    /// The number of publications that had to wait for a slow consumer, counted for each.
    public package(set) var delayed: UInt64 = 0
    /// The number of publications that were dropped for a slow consumer.
    public package(set) var dropped: UInt64 = 0
    /// The number of waiting publications that a later one of the same key replaced.
    public package(set) var conflated: UInt64 = 0

    package init() {}

    package mutating func add(_ other: TopicCounts) {
        subscriptions += other.subscriptions
        publications += other.publications
        deliveries += other.deliveries
        delayed += other.delayed
        dropped += other.dropped
        conflated += other.conflated
    }
}
