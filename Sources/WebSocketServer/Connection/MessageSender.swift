public import WebSocketProtocol

/// A sender of messages to one peer that waits while the peer is slow to read: ``AsyncConnection``,
/// ``ClientConnection`` and ``ReconnectingConnection``.
public protocol MessageSender: Sendable {
    /// Sends a message. Waits while the outbox is above ``Limits/outboxHighWater``.
    ///
    /// - Throws: ``ConnectionClosed`` if the connection is closing or closed, or
    ///   ``NotConnected`` for a ``ReconnectingConnection``.
    nonisolated(nonsending) func send(_ message: Message) async throws
}

extension MessageSender {
    /// Sends a text message; see ``send(_:)``.
    @inlinable
    public nonisolated(nonsending) func send(_ text: String) async throws {
        try await send(Message(text))
    }

    /// Sends a message of bytes, such as `[UInt8]` or `Data`, binary by default; see ``send(_:)``.
    @inlinable
    public nonisolated(nonsending) func send(
        _ bytes: some Collection<UInt8>, as kind: MessageKind = .binary
    ) async throws {
        try await send(Message(bytes, as: kind))
    }

    /// Sends a copy of a payload; see ``send(_:)``. Text must be UTF-8, which is not checked here.
    @inlinable
    public nonisolated(nonsending) func send(
        _ payload: RawSpan, as kind: MessageKind
    ) async throws {
        try await send(Message(payload, as: kind))
    }

    /// Encodes a value and sends it, as a text message by default; see ``send(_:)``.
    ///
    ///     try await connection.send(move, using: JSONEncoder().encode)
    ///
    /// - Throws: The encoder's error, too.
    @inlinable
    public nonisolated(nonsending) func send<Value: Encodable, Bytes: Collection<UInt8>>(
        _ value: Value, as kind: MessageKind = .text, using encode: (Value) throws -> Bytes
    ) async throws {
        try await send(Message(value, as: kind, using: encode))
    }

    /// Explains how to send a value, to those who forget the encoder.
    @available(
        *, unavailable,
        message: "unwrap an optional, or encode: send(value, using: JSONEncoder().encode)"
    )
    public nonisolated(nonsending) func send(_ value: some Encodable) async throws {}
}
