/// What happens to a slow consumer of a topic: a subscriber for whom more bytes wait than its
/// connection's outbox limit allows.
public enum SlowSubscriberPolicy: Sendable, Hashable {
    /// Disconnects it. The client sees the gap, and may reconnect.
    case disconnect
    /// Drops the oldest publications that wait for it.
    case dropOldest
    /// Keeps only the last publication of each key while it waits; beyond the limit, the oldest
    /// are dropped.
    case conflate
}
