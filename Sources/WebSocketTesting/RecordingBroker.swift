import Synchronization
public import WebSocketServer

/// A broker in memory that records what is published. All members may be used from any thread.
public final class RecordingBroker: Broker {
    private let broker = MemoryBroker()
    private let published = Mutex<[RecordedPublication]>([])

    /// Creates a broker for one server.
    public init() {}

    /// All publications so far, in order, including those to topics without subscribers.
    public var publications: [RecordedPublication] { published.withLock { $0 } }

    public func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {
        broker.start(receive)
    }

    public func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
    ) {
        published.withLock { $0.append(RecordedPublication(publication)) }
        broker.publish(publication, completion: completion)
    }

    public func subscribe(to topic: String) { broker.subscribe(to: topic) }
    public func unsubscribe(from topic: String) { broker.unsubscribe(from: topic) }
    public var health: BrokerHealth { broker.health }
    public func stop() async { await broker.stop() }
}

/// A publication that a ``RecordingBroker`` has received.
public struct RecordedPublication: Sendable, Hashable {
    /// The name of the topic.
    public let topic: String
    /// The message.
    public let message: Message
    /// The subject of the message: `Publication.key`.
    public let key: String?

    /// Creates a publication, to compare recorded ones with.
    public init(_ message: Message, to topic: String, key: String? = nil) {
        self.topic = topic
        self.message = message
        self.key = key
    }

    init(_ publication: Publication) {
        let bytes = publication.withPayload { unsafe $0.withUnsafeBytes { unsafe [UInt8]($0) } }
        self.init(
            Message(bytes, as: publication.kind), to: publication.topic, key: publication.key)
    }
}
