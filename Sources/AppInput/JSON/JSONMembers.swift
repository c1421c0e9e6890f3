package import HTTPProtocol

/// The members of a JSON object, each as the type that is asked for; `null` is as if it weren't
/// there.
package struct JSONMembers {
    /// Not what was asked for: no object, or a member of another type.
    package struct WrongType: Error {
        package init() {}
    }

    private let values: [ExactString: JSONValue]

    package init(_ value: JSONValue) throws(WrongType) {
        guard case .object(let values) = value else { throw WrongType() }
        self.values = values
    }

    /// Reads a text in UTF-8 that is one object.
    package init(_ bytes: [UInt8]) throws(WrongType) {
        guard let value = try? JSONReader.read(bytes) else { throw WrongType() }
        try self.init(value)
    }

    /// Whether there is a member of that name, `null` or not.
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

    /// A finite number.
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
