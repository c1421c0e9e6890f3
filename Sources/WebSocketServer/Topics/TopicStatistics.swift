/// A topic that someone subscribes to.
public struct TopicStatistics: Sendable, Hashable {
    public let name: String
    public internal(set) var subscribers: Int
}

/// What topics did.
public struct TopicCounts: Sendable, Equatable {
    /// Subscriptions now.
    public var subscriptions = 0
    /// Publications that reached a loop with subscribers, and the frames sent for them.
    public var publications: UInt64 = 0
    public var deliveries: UInt64 = 0
    /// Publications that had to wait for a slow subscriber; of those, the ones that were dropped,
    /// and that a later one of their key took the place of.
    public var delayed: UInt64 = 0
    public var dropped: UInt64 = 0
    public var conflated: UInt64 = 0

    public init() {}

    mutating func add(_ other: TopicCounts) {
        subscriptions += other.subscriptions
        publications += other.publications
        deliveries += other.deliveries
        delayed += other.delayed
        dropped += other.dropped
        conflated += other.conflated
    }
}
