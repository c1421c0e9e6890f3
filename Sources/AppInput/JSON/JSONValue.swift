package import HTTPProtocol

/// A JSON value as a client sent it (RFC 8259): numbers as they were written.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// Its literal: nothing of a large integer is lost, whoever needs one decides what it takes.
    case number(ExactString)
    case string(ExactString)
    /// A string that escapes one half of a surrogate pair, which no UTF-8 can hold.
    case brokenString
    case array([JSONValue])
    /// The last of several members with one name counts.
    case object([ExactString: JSONValue])
}

/// Where a text stops being JSON, and what was expected there.
package struct JSONFault: Error, Hashable {
    /// Characters before it.
    package var position: Int
    /// As Python's `json` words it, which FastAPI's users have seen before.
    package var expected: String
}
