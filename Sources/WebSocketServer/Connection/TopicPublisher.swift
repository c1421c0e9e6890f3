public import PubSub
public import WebSocketProtocol

/// A publisher to topics that waits for the broker's answer: ``Server`` and ``Request``. The code
/// of a connection publishes without waiting: see ``MessagePublisher``.
public protocol TopicPublisher: Sendable {
    /// Publishes a message to all subscribers of its topic; any thread. Returns once the broker has
    /// accepted it, and throws if the broker refuses it.
    func publish(_ publication: Publication) async throws(BrokerError)
}

extension TopicPublisher {
    /// Publishes a text message to all subscribers of a topic; see ``publish(_:)``.
    public func publish(
        _ text: String, to topic: String, key: String? = nil
    ) async throws(BrokerError) {
        try await publish(Publication(text, to: topic, key: key))
    }

    /// Publishes a message to all subscribers of a topic; see ``publish(_:)``. Text must be UTF-8,
    /// which is not checked here.
    public func publish(
        _ payload: RawSpan, as kind: MessageKind, to topic: String, key: String? = nil
    ) async throws(BrokerError) {
        try await publish(Publication(payload, as: kind, to: topic, key: key))
    }

    /// Publishes a message of bytes, such as `[UInt8]` or `Data`, to all subscribers of a topic,
    /// binary by default; see ``publish(_:)``.
    @inlinable
    public func publish(
        _ bytes: some Collection<UInt8>, as kind: MessageKind = .binary, to topic: String,
        key: String? = nil
    ) async throws(BrokerError) {
        try await publish(Publication(bytes, as: kind, to: topic, key: key))
    }

    /// Encodes a value and publishes it to all subscribers of a topic, as a text message by
    /// default; see ``publish(_:)``.
    ///
    /// - Throws: A `BrokerError`, or the encoder's error.
    @inlinable
    public func publish<Value: Encodable, Bytes: Collection<UInt8>>(
        _ value: Value, as kind: MessageKind = .text, to topic: String, key: String? = nil,
        using encode: (Value) throws -> Bytes
    ) async throws {
        try await publish(Publication(try encode(value), as: kind, to: topic, key: key))
    }

    /// Publishes a message to all subscribers of a topic; see ``publish(_:)``.
    public func publish(
        _ message: Message, to topic: String, key: String? = nil
    ) async throws(BrokerError) {
        try await publish(Publication(message.bytes, as: message.kind, to: topic, key: key))
    }
}
