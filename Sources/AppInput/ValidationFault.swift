/// An error in a request. All of them are answered with 422, in FastAPI's format:
/// `{"detail":[{"loc":["body","title"],"msg":"Field required","type":"missing"}]}`.
package struct ValidationFault: Error, Sendable, Encodable, Hashable {
    /// The location: `body`, `query` or `path`, then the field, or nothing for the whole. For
    /// invalid JSON, the number of characters before the error.
    package var loc: [Item]
    /// The error and the expected value, for people.
    package var msg: String
    /// The kind of error, for programs: `missing`, `json_invalid`, `string_type`, ….
    package var type: String
    /// The exceeded limit, or the text that a parser expected.
    package var ctx: [String: Item]?

    package init(loc: [Item], msg: String, type: String, ctx: [String: Item]? = nil) {
        self.loc = loc
        self.msg = msg
        self.type = type
        self.ctx = ctx
    }

    /// A string or a number.
    package enum Item: Sendable, Encodable, Hashable, ExpressibleByStringLiteral,
        ExpressibleByIntegerLiteral
    {
        case text(String)
        case number(Int)

        package init(stringLiteral value: String) { self = .text(value) }
        package init(integerLiteral value: Int) { self = .number(value) }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .number(let number): try container.encode(number)
            }
        }
    }

    /// Returns the error for a missing field.
    package static func missing(_ loc: Item...) -> ValidationFault {
        ValidationFault(loc: loc, msg: "Field required", type: "missing")
    }
}

extension ValidationFault {
    /// Returns the error for a body that isn't JSON, with its position.
    package init(_ fault: JSONFault) {
        self.init(
            loc: ["body", .number(fault.position)], msg: "JSON decode error", type: "json_invalid",
            ctx: ["error": .text(fault.expected)])
    }
}
