// A message's payload as a string, as bytes, and as a value: `RawSpan` is the form in which handlers
// receive it.

extension String {
    /// Copies the text of a message's payload. Invalid UTF-8 is repaired; a text message has none.
    public init(_ payload: borrowing RawSpan) {
        self = unsafe payload.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}

extension Array where Element == UInt8 {
    /// Copies the bytes of a message's payload.
    public init(_ payload: borrowing RawSpan) {
        self = unsafe payload.withUnsafeBytes { unsafe [UInt8]($0) }
    }
}

extension RawSpan {
    /// Decodes a value from a message's payload.
    ///
    ///     let move = try payload.decode(Move.self, using: JSONDecoder().decode)
    ///
    /// - Throws: The decoder's error.
    @inlinable
    public func decode<Value: Decodable, Bytes: RangeReplaceableCollection<UInt8>>(
        _ type: Value.Type, using decode: (Value.Type, Bytes) throws -> Value
    ) rethrows -> Value {
        try decode(type, unsafe withUnsafeBytes { unsafe Bytes($0) })
    }
}
