package import HTTPProtocol

/// A JSON value as the client sent it (RFC 8259). Numbers are kept as text.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// The literal of a number, so that large integers keep their precision. The user of the value
    /// decides which numbers are valid.
    case number(ExactString)
    case string(ExactString)
    /// A string that escapes half of a surrogate pair, which UTF-8 can't represent.
    case brokenString
    case array([JSONValue])
    /// An object. If a name is repeated, the last member counts.
    case object([ExactString: JSONValue])
}

/// The position of an error in a JSON text, and the expected text.
package struct JSONFault: Error, Hashable {
    /// The number of characters before the error.
    package var position: Int
    /// The message of Python's `json` module, which users of FastAPI know.
    package var expected: String
}
