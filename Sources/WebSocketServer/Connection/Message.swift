public import WebSocketProtocol

/// A whole message, with a copy of its payload.
public struct Message: Sendable, Hashable {
    /// Text or binary.
    public let kind: MessageKind
    /// The payload. That of a received text message is valid UTF-8.
    public let bytes: [UInt8]

    /// Creates a text message.
    public init(_ text: String) {
        kind = .text
        bytes = [UInt8](text.utf8)
    }

    /// Creates a message of bytes, binary by default. Those of a text message must be UTF-8, which
    /// is not checked.
    public init(_ bytes: [UInt8], as kind: MessageKind = .binary) {
        self.kind = kind
        self.bytes = bytes
    }

    /// Creates a message of bytes, such as `Data`, binary by default.
    @inlinable
    public init(_ bytes: some Collection<UInt8>, as kind: MessageKind = .binary) {
        self.init([UInt8](bytes), as: kind)
    }

    /// Copies the payload that ``ConnectionHandler/onMessage(_:as:from:)`` receives.
    public init(_ payload: borrowing RawSpan, as kind: MessageKind) {
        self.init([UInt8](payload), as: kind)
    }

    /// Encodes a value, such as with `JSONEncoder().encode`: a text message by default.
    ///
    /// - Throws: The encoder's error.
    @inlinable
    public init<Value: Encodable, Bytes: Collection<UInt8>>(
        _ value: Value, as kind: MessageKind = .text, using encode: (Value) throws -> Bytes
    ) rethrows {
        self.init([UInt8](try encode(value)), as: kind)
    }

    /// The text of the payload, whatever its kind. Invalid UTF-8 is repaired.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Decodes a value from the payload.
    ///
    ///     let move = try message.decode(Move.self, using: JSONDecoder().decode)
    ///
    /// - Throws: The decoder's error.
    @inlinable
    public func decode<Value: Decodable, Bytes: RangeReplaceableCollection<UInt8>>(
        _ type: Value.Type, using decode: (Value.Type, Bytes) throws -> Value
    ) rethrows -> Value {
        try decode(type, Bytes(bytes))
    }
}

/// The error for a message to a connection that is closing or over.
public struct ConnectionClosed: Error, Sendable, CustomStringConvertible {
    public var description: String { "the connection is closed: nothing can be sent" }
}
