/// The treatment of a subscriber with more bytes pending than its connection's outbox may hold.
public enum SlowSubscriberPolicy: Sendable, Hashable {
    /// The subscriber is disconnected with 4008, and can reconnect.
    case disconnect
    /// The oldest pending publications are dropped.
    case dropOldest
    /// Only the latest publication of each topic and key is kept pending. Beyond the limit the
    /// oldest are dropped.
    case conflate
}
