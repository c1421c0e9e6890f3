/// The form of a value in a description of a route: a JSON Schema of draft 2020-12, which OpenAPI
/// 3.1 and AsyncAPI 3.0 use.
///
/// ```swift
/// let task: JSONSchema = .object([
///     "id": .integer("The number of the task.", in: 1...999),
///     "title": .string("What is to be done.", count: 1...200),
/// ], optional: ["title"])
/// ```
public struct JSONSchema: Sendable, Hashable {
    var members: [String: DocumentValue]

    private init(members: [String: DocumentValue]) { self.members = members }

    private init(_ type: String, _ details: String) {
        members = ["type": .text(type)]
        members.set("description", details)
    }

    /// Any value.
    public static let any = JSONSchema(members: [:])

    /// A text.
    ///
    /// - Parameters:
    ///   - details: What the text is for; may be empty.
    ///   - count: The number of characters; any by default.
    ///   - format: A format that JSON Schema defines, such as `date-time`.
    ///   - values: The possible texts; all by default.
    public static func string(
        _ details: String = "", count: ClosedRange<Int>? = nil, format: String = "",
        values: [String] = []
    ) -> JSONSchema {
        var schema = JSONSchema("string", details)
        if let count {
            if count.lowerBound > 0 { schema.members["minLength"] = .number(count.lowerBound) }
            if count.upperBound < .max { schema.members["maxLength"] = .number(count.upperBound) }
        }
        schema.members.set("format", format)
        if !values.isEmpty { schema.members["enum"] = .list(values.map { .text($0) }) }
        return schema
    }

    /// A whole number.
    ///
    /// - Parameters:
    ///   - details: What the number is for, and its unit; may be empty.
    ///   - range: The possible numbers. By default all that 64 bits hold.
    public static func integer(
        _ details: String = "", in range: ClosedRange<Int> = .min ... .max
    ) -> JSONSchema {
        var schema = JSONSchema("integer", details)
        schema.members["minimum"] = .number(range.lowerBound)
        schema.members["maximum"] = .number(range.upperBound)
        return schema
    }

    /// A number.
    public static func number(_ details: String = "") -> JSONSchema {
        JSONSchema("number", details)
    }

    /// `true` or `false`.
    public static func boolean(_ details: String = "") -> JSONSchema {
        JSONSchema("boolean", details)
    }

    /// A list of values of one form.
    public static func array(of element: JSONSchema, _ details: String = "") -> JSONSchema {
        var schema = JSONSchema("array", details)
        schema.members["items"] = .object(element.members)
        return schema
    }

    /// An object. It may have more members than those that are named.
    ///
    /// - Parameters:
    ///   - properties: The members. A repeated name counts once, as it is given last.
    ///   - optional: The names of members that may be missing.
    ///   - details: What the object is for; may be empty.
    public static func object(
        _ properties: KeyValuePairs<String, JSONSchema>, optional: Set<String> = [],
        _ details: String = ""
    ) -> JSONSchema {
        var schema = JSONSchema("object", details)
        schema.members["properties"] = .object(
            Dictionary(properties.map { ($0.key, .object($0.value.members)) }) { $1 })
        let required = properties.map(\.key).filter { !optional.contains($0) }
        if !required.isEmpty {
            schema.members["required"] = .list(Set(required).sorted().map { .text($0) })
        }
        return schema
    }

    /// This form, or `null`.
    public var orNull: JSONSchema {
        var schema = JSONSchema.any
        schema.members["anyOf"] = [.object(members), ["type": "null"]]
        return schema
    }
}
