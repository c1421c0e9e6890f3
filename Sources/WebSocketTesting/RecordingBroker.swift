import Synchronization
public import WebSocketServer

/// A broker in memory that records what is published.
public final class RecordingBroker: Broker {
    private let broker = MemoryBroker()
    private let published = Mutex<[RecordedPublication]>([])

    public init() {}

    /// The publications so far, in order, with or without subscribers.
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
    public let topic: String
    public let message: Message
    /// See `Publication.key`.
    public let key: String?

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
