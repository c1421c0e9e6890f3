public import PubSub

/// The limits on subscriptions and publications, and the treatment of slow consumers.
public struct TopicConfiguration: Sendable {
    /// The number of topics that one connection may subscribe to. Lookups are linear in it. Default
    /// 128, `1 ... 4_096`.
    public var perConnectionMax = 128
    /// The size of a topic's name, in bytes of UTF-8. Default 255, `1 ... 4_096`.
    public var nameSizeMax = 255
    /// The policy of topics that match no rule. Default ``SlowSubscriberPolicy/disconnect``.
    public var slowSubscribers = SlowSubscriberPolicy.disconnect
    /// The policies of topics by prefix. The first rule that matches applies. Default none.
    public var rules: [Rule] = []
    /// The memory of publications pending for slow consumers, over all connections. A publication
    /// counts once for every subscriber, and so do the unsent bytes of publications in outboxes.
    /// Default 256 MiB, `1 MiB ... 64 GiB`.
    public var backlogMax: ByteCount = .mebibytes(256)
    /// The treatment of subscribers that may have missed publications of other servers. Default
    /// ``GapPolicy/keep``.
    public var onGap = GapPolicy.keep

    /// Creates the default settings.
    public init() {}

    /// A policy for topics whose names begin with the bytes of ``prefix``.
    public struct Rule: Sendable, Hashable {
        /// The beginning of the names; an empty one matches all topics.
        public var prefix: String
        /// The policy of these topics.
        public var policy: SlowSubscriberPolicy

        /// Creates a rule.
        public init(prefix: String, policy: SlowSubscriberPolicy) {
            self.prefix = prefix
            self.policy = policy
        }
    }

    /// Returns whether a topic may have this name: it isn't empty, has at most ``nameSizeMax``
    /// bytes, and has no control characters.
    public func isValidName(_ name: String) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= nameSizeMax
            && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    func policy(of topic: String) -> SlowSubscriberPolicy {
        rules.first { topic.utf8.starts(with: $0.prefix.utf8) }?.policy ?? slowSubscribers
    }
}

/// The treatment of a server's subscribers after its broker has lost its subscriptions for a while.
public enum GapPolicy: Sendable, Hashable {
    /// The connections stay open. Clients aren't notified.
    case keep
    /// All connections with subscriptions are closed with 1012, so that clients reconnect and fetch
    /// the current state: existing ones when the gap begins, newer ones when it ends.
    case close
}
