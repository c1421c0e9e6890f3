public import PubSub

/// What subscribing and publishing may cost, and what becomes of slow subscribers.
public struct TopicOptions: Sendable {
    /// Topics that one connection may subscribe to. Default 128, `1 ... 4_096`:
    /// each further one is looked for among them.
    public var perConnectionMax = 128
    /// Bytes of a topic's name. Default 255, `1 ... 4_096`.
    public var nameSizeMax = 255
    /// For topics that no rule names. Default ``SlowSubscriberPolicy/disconnect``.
    public var slowSubscribers = SlowSubscriberPolicy.disconnect
    /// For topics whose name begins with a prefix; the first that fits counts.
    public var rules: [Rule] = []
    /// Bytes of publications that may wait for slow subscribers together, each counted for each, and
    /// what outboxes hold of those that are being sent. Default 256 MiB, `1 MiB ... 64 GiB`.
    public var backlogMax: ByteCount = .mebibytes(256)
    /// What becomes of subscribers who may have missed publications. Default ``GapPolicy/keep``.
    public var onGap = GapPolicy.keep

    public init() {}

    /// A policy for the topics whose names begin with `prefix`, byte by byte.
    public struct Rule: Sendable, Hashable {
        public var prefix: String
        public var policy: SlowSubscriberPolicy

        public init(prefix: String, policy: SlowSubscriberPolicy) {
            self.prefix = prefix
            self.policy = policy
        }
    }

    /// Not empty, not too long, and nothing that would spoil a log's line.
    public func isValidName(_ name: String) -> Bool {
        let bytes = name.utf8
        return (1...nameSizeMax).contains(bytes.count)
            && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    func policy(of topic: String) -> SlowSubscriberPolicy {
        rules.first { topic.utf8.starts(with: $0.prefix.utf8) }?.policy ?? slowSubscribers
    }
}

/// What becomes of a server's subscribers when its broker lost its subscriptions for a while.
public enum GapPolicy: Sendable, Hashable {
    /// They stay, and are not told.
    case keep
    /// All connections with subscriptions are closed with 1012: those there when the gap begins,
    /// and those that came meanwhile when it ends. They come back and ask for the state anew.
    case close
}
