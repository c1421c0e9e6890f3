/// A value of a JSON document that describes routes. Its objects have no order of their own.
enum DocumentValue: Sendable, Hashable {
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([DocumentValue])
    case object([String: DocumentValue])
}

extension DocumentValue: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .number(value) }
    init(booleanLiteral value: Bool) { self = .flag(value) }
    init(arrayLiteral elements: DocumentValue...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, DocumentValue)...) {
        self = .object(Dictionary(uniqueKeysWithValues: elements))
    }

    /// A reference to another place of the same document.
    static func reference(_ path: String) -> DocumentValue { ["$ref": .text("#/\(path)")] }
}

extension DocumentValue: Encodable {
    private struct MemberName: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .text(let text):
            var container = encoder.singleValueContainer()
            try container.encode(text)
        case .number(let number):
            var container = encoder.singleValueContainer()
            try container.encode(number)
        case .flag(let flag):
            var container = encoder.singleValueContainer()
            try container.encode(flag)
        case .list(let values):
            var container = encoder.unkeyedContainer()
            for value in values { try container.encode(value) }
        case .object(let members):
            var container = encoder.container(keyedBy: MemberName.self)
            for (name, value) in members {
                try container.encode(value, forKey: MemberName(stringValue: name))
            }
        }
    }
}

extension [String: DocumentValue] {
    /// Sets a member to a text, unless that is empty.
    mutating func set(_ name: String, _ text: String) {
        if !text.isEmpty { self[name] = .text(text) }
    }
}
