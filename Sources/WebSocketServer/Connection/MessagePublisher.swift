public import WebSocketProtocol

/// A publisher to topics that doesn't wait for the broker: ``Connection`` and ``AsyncConnection``.
/// Other code publishes by the methods of ``Server``.
///
/// All methods may be called from any thread. `key` is the subject of the message:
/// ``Publication/key``.
public protocol MessagePublisher {
    /// Publishes a message to all subscribers of a topic, this connection included if it is one;
    /// any thread. Text must be UTF-8, which is not checked here. Nor is the topic's name: nobody
    /// can subscribe to an invalid one. The connection of a client has no topics, and publishes
    /// nothing.
    ///
    /// A publication that the broker refuses is lost. It is counted
    /// (``Counters/publicationsRefused``), and a warning is logged every ten seconds at most.
    func publish(_ payload: RawSpan, as kind: MessageKind, to topic: String, key: String?)
}

extension MessagePublisher {
    /// Publishes a message without a key.
    @inlinable
    public func publish(_ payload: RawSpan, as kind: MessageKind, to topic: String) {
        publish(payload, as: kind, to: topic, key: nil)
    }

    /// Publishes a text message.
    @inlinable
    public func publish(_ text: String, to topic: String, key: String? = nil) {
        unsafe publish(text.utf8Span.span.bytes, as: .text, to: topic, key: key)
    }

    /// Publishes a message.
    @inlinable
    public func publish(_ message: Message, to topic: String, key: String? = nil) {
        unsafe publish(message.bytes.span.bytes, as: message.kind, to: topic, key: key)
    }

    /// Publishes a message of bytes, such as `[UInt8]` or `Data`, binary by default.
    @inlinable
    public func publish(
        _ bytes: some Collection<UInt8>, as kind: MessageKind = .binary, to topic: String,
        key: String? = nil
    ) {
        let done: Void? = bytes.withContiguousStorageIfAvailable {
            unsafe publish(RawSpan(_unsafeElements: $0), as: kind, to: topic, key: key)
        }
        guard done == nil else { return }
        unsafe publish([UInt8](bytes).span.bytes, as: kind, to: topic, key: key)
    }

    /// Encodes a value and publishes it, as a text message by default.
    ///
    ///     try connection.publish(move, to: "rooms/birds", using: JSONEncoder().encode)
    ///
    /// - Throws: The encoder's error. Nothing is published then.
    @inlinable
    public func publish<Value: Encodable, Bytes: Collection<UInt8>>(
        _ value: Value, as kind: MessageKind = .text, to topic: String, key: String? = nil,
        using encode: (Value) throws -> Bytes
    ) rethrows {
        publish(try encode(value), as: kind, to: topic, key: key)
    }

    /// Explains how to publish a value, to those who forget the encoder.
    @available(
        *, unavailable,
        message: "unwrap an optional, or encode: publish(value, to: …, using: JSONEncoder().encode)"
    )
    public func publish(_ value: some Encodable, to topic: String) {}

    /// Explains how to publish a payload, to those who forget its kind.
    @available(
        *, unavailable, message: "say whether it is text: publish(payload, as: kind, to: …)"
    )
    public func publish(_ payload: RawSpan, to topic: String) {}
}
