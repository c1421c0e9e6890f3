import HTTPProtocol

/// The typed members of a JSON object. A member that is `null` counts as missing.
struct JSONMembers {
    /// The error for a text that isn't an object, or a member of another type.
    struct WrongType: Error {}

    private let values: [ExactString: JSONValue]

    init(_ value: JSONValue) throws(WrongType) {
        guard case .object(let values) = value else { throw WrongType() }
        self.values = values
    }

    /// Parses a UTF-8 text, which must be an object.
    init(_ bytes: [UInt8]) throws(WrongType) {
        guard let value = try? JSONReader.read(bytes) else { throw WrongType() }
        try self.init(value)
    }

    /// Returns whether there is a member of that name; it may be `null`.
    func has(_ name: ExactString) -> Bool { values[name] != nil }

    func text(_ name: ExactString) throws(WrongType) -> ExactString? {
        switch values[name] {
        case nil, .null: return nil
        case .string(let text): return text
        default: throw WrongType()
        }
    }

    func texts(_ name: ExactString) throws(WrongType) -> [ExactString]? {
        switch values[name] {
        case nil, .null: return nil
        case .array(let elements):
            return try elements.map { (element) throws(WrongType) in
                guard case .string(let text) = element else { throw WrongType() }
                return text
            }
        default: throw WrongType()
        }
    }

    /// Returns a finite number.
    func number(_ name: ExactString) throws(WrongType) -> Double? {
        switch values[name] {
        case nil, .null: return nil
        case .number(let literal):
            guard let number = Double(literal.string), number.isFinite else { throw WrongType() }
            return number
        default: throw WrongType()
        }
    }
}
