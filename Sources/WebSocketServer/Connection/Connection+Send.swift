public import WebSocketProtocol

/// Sending, without waiting: messages of all types.
extension Connection {
    /// The outcome of a send.
    public enum SendOutcome: Sendable, Hashable {
        /// Written, or queued within limits. From another thread: handed over.
        case accepted
        /// Queued, and the outbox is above its high-water mark: wait for `onDrain`.
        case aboveHighWater
        /// Not sent: the connection is closing or closed, or its peer is a slow consumer.
        case dropped
    }

    /// Sends one message; any thread. Text must be UTF-8, which is not checked here.
    ///
    /// The limits of the outbox apply on the connection's loop. A message from another thread
    /// counts once the loop takes it, so a thread that sends without end must wait for its peers.
    /// The `send` of ``ClientConnection`` and of ``AsyncConnection`` waits by itself.
    @discardableResult
    public func send(_ payload: RawSpan, as kind: MessageKind) -> SendOutcome {
        unsafe payload.withUnsafeBytes { unsafe core.sendMessage($0, kind) }
    }

    /// Sends one text message; any thread.
    @discardableResult
    public func send(_ text: String) -> SendOutcome {
        var text = text
        return text.withUTF8 { unsafe core.sendMessage(UnsafeRawBufferPointer($0), .text) }
    }

    /// Sends one text message; any thread.
    @discardableResult
    public func send(_ text: Substring) -> SendOutcome {
        var text = text
        return text.withUTF8 { unsafe core.sendMessage(UnsafeRawBufferPointer($0), .text) }
    }

    /// Sends one message of bytes, binary by default; any thread.
    @discardableResult
    public func send(_ bytes: [UInt8], as kind: MessageKind = .binary) -> SendOutcome {
        unsafe bytes.withUnsafeBytes { unsafe core.sendMessage($0, kind) }
    }

    /// Sends one message; any thread.
    @discardableResult
    public func send(_ message: Message) -> SendOutcome { send(message.bytes, as: message.kind) }

    /// Sends one message of bytes, such as `Data`, binary by default; any thread. The bytes are
    /// copied first only if they aren't contiguous.
    @inlinable @discardableResult
    public func send(
        _ bytes: some Collection<UInt8>, as kind: MessageKind = .binary
    ) -> SendOutcome {
        let outcome = bytes.withContiguousStorageIfAvailable {
            unsafe send(RawSpan(_unsafeElements: $0), as: kind)
        }
        return outcome ?? send([UInt8](bytes), as: kind)
    }

    /// Encodes a value and sends it, as a text message by default; any thread.
    ///
    ///     try connection.send(move, using: JSONEncoder().encode)
    ///
    /// - Throws: The encoder's error. Nothing is sent then.
    @inlinable @discardableResult
    public func send<Value: Encodable, Bytes: Collection<UInt8>>(
        _ value: Value, as kind: MessageKind = .text, using encode: (Value) throws -> Bytes
    ) rethrows -> SendOutcome {
        send(try encode(value), as: kind)
    }

    /// Explains how to send a value, to those who forget the encoder.
    @available(
        *, unavailable,
        message: "unwrap an optional, or encode: send(value, using: JSONEncoder().encode)"
    )
    @discardableResult
    public func send(_ value: some Encodable) -> SendOutcome { .dropped }

    /// Explains how to send a payload, to those who forget its kind.
    @available(*, unavailable, message: "say whether it is text: send(payload, as: kind)")
    @discardableResult
    public func send(_ payload: RawSpan) -> SendOutcome { .dropped }

    // MARK: - Uncompressed

    /// Sends one message uncompressed, even if compression was negotiated; any thread.
    ///
    /// For messages that are compressed already, and for secrets, which must not share a compressor
    /// with text that others choose: the compressed length would reveal them.
    @discardableResult
    public func sendUncompressed(_ payload: RawSpan, as kind: MessageKind) -> SendOutcome {
        unsafe payload.withUnsafeBytes { unsafe core.sendPlain($0, kind) }
    }

    /// Sends one text message uncompressed; see ``sendUncompressed(_:as:)-(RawSpan,_)``.
    @discardableResult
    public func sendUncompressed(_ text: String) -> SendOutcome {
        var text = text
        return text.withUTF8 { unsafe core.sendPlain(UnsafeRawBufferPointer($0), .text) }
    }

    /// Sends one message of bytes uncompressed, binary by default; see
    /// ``sendUncompressed(_:as:)-(RawSpan,_)``.
    @inlinable @discardableResult
    public func sendUncompressed(
        _ bytes: some Collection<UInt8>, as kind: MessageKind = .binary
    ) -> SendOutcome {
        let outcome = bytes.withContiguousStorageIfAvailable {
            unsafe sendUncompressed(RawSpan(_unsafeElements: $0), as: kind)
        }
        return outcome ?? sendUncompressed(ContiguousArray(bytes), as: kind)
    }
}
