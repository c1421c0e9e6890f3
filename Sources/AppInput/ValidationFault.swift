/// What a request lacks or has wrong, answered with 422 in the shape that FastAPI's users know:
/// `{"detail":[{"loc":["body","title"],"msg":"Field required","type":"missing"}]}`.
package struct ValidationFault: Error, Sendable, Encodable, Hashable {
    /// Where it stands: `body`, `query` or `path`, then the field, or nothing for the whole; in
    /// what is no JSON, how many characters in.
    package var loc: [Item]
    /// What is wrong and what was expected, for people.
    package var msg: String
    /// The kind of fault, for programs: `missing`, `json_invalid`, `string_type`, ….
    package var type: String
    /// The limit that was passed, or what a parser expected.
    package var ctx: [String: Item]?

    package init(loc: [Item], msg: String, type: String, ctx: [String: Item]? = nil) {
        self.loc = loc
        self.msg = msg
        self.type = type
        self.ctx = ctx
    }

    /// A word or a number.
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

    /// A field that has to be there and isn't.
    package static func missing(_ loc: Item...) -> ValidationFault {
        ValidationFault(loc: loc, msg: "Field required", type: "missing")
    }
}

extension ValidationFault {
    /// A body that isn't JSON, and where it stops being it.
    package init(_ fault: JSONFault) {
        self.init(
            loc: ["body", .number(fault.position)], msg: "JSON decode error", type: "json_invalid",
            ctx: ["error": .text(fault.expected)])
    }
}
