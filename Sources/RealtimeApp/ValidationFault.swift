/// An error in a request. All of them are answered with 422, in FastAPI's format:
/// `{"detail":[{"loc":["body","title"],"msg":"Field required","type":"missing"}]}`.
struct ValidationFault: Error, Sendable, Encodable, Hashable {
    /// The location: `body`, `query` or `path`, then the field, or nothing for the whole. For
    /// invalid JSON, the number of characters before the error.
    var loc: [Item]
    /// The error and what was expected, for people.
    var msg: String
    /// The kind of error, for programs: `missing`, `json_invalid`, `string_type`, ….
    var type: String
    /// The exceeded limit, or what a parser expected.
    var ctx: [String: Item]?

    /// A string or a number.
    enum Item: Sendable, Encodable, Hashable, ExpressibleByStringLiteral,
        ExpressibleByIntegerLiteral
    {
        case text(String)
        case number(Int)

        init(stringLiteral value: String) { self = .text(value) }
        init(integerLiteral value: Int) { self = .number(value) }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .number(let number): try container.encode(number)
            }
        }
    }

    /// Returns the error for a missing field.
    static func missing(_ loc: Item...) -> ValidationFault {
        ValidationFault(loc: loc, msg: "Field required", type: "missing")
    }
}

extension ValidationFault {
    /// Returns the error for a body that isn't JSON, with its position.
    init(_ fault: JSONFault) {
        self.init(
            loc: ["body", .number(fault.position)], msg: "JSON decode error", type: "json_invalid",
            ctx: ["error": .text(fault.expected)])
    }
}
