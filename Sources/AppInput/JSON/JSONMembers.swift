package import HTTPProtocol

/// The typed members of a JSON object. A member that is `null` counts as missing.
package struct JSONMembers {
    /// The error for a text that isn't an object, or a member of another type.
    package struct WrongType: Error {
        package init() {}
    }

    private let values: [ExactString: JSONValue]

    package init(_ value: JSONValue) throws(WrongType) {
        guard case .object(let values) = value else { throw WrongType() }
        self.values = values
    }

    /// Parses a UTF-8 text, which must be an object.
    package init(_ bytes: [UInt8]) throws(WrongType) {
        guard let value = try? JSONReader.read(bytes) else { throw WrongType() }
        try self.init(value)
    }

    /// Returns whether there is a member of that name; it may be `null`.
    package func has(_ name: ExactString) -> Bool { values[name] != nil }

    package func text(_ name: ExactString) throws(WrongType) -> ExactString? {
        switch values[name] {
        case nil, .null: return nil
        case .string(let text): return text
        default: throw WrongType()
        }
    }

    package func texts(_ name: ExactString) throws(WrongType) -> [ExactString]? {
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
    package func number(_ name: ExactString) throws(WrongType) -> Double? {
        switch values[name] {
        case nil, .null: return nil
        case .number(let literal):
            guard let number = Double(literal.string), number.isFinite else { throw WrongType() }
            return number
        default: throw WrongType()
        }
    }
}
