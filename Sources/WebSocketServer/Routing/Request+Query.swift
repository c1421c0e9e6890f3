public import HTTPProtocol

/// A name and its value in a query, both percent-decoded.
public struct QueryItem: Sendable, Hashable {
    /// The name; the whole item if it has no `=`.
    public let name: ExactString
    /// The value; empty if the item has no `=`.
    public let value: ExactString

    /// Creates an item.
    public init(name: ExactString, value: ExactString) {
        self.name = name
        self.value = value
    }

    /// Returns the items of a query as browsers write it (WHATWG URL §5.1).
    fileprivate static func items(of query: ExactString?) -> [QueryItem] {
        guard let query else { return [] }
        return Form(query).fields.map {
            QueryItem(
                name: $0.name ?? ExactString(String(decoding: $0.nameBytes, as: UTF8.self)),
                value: ExactString(String(decoding: $0.value, as: UTF8.self)))
        }
    }
}

extension Request {
    /// The names and values of the query, in order, repeated names included.
    ///
    /// `+` is a space, and a `%` without two hexadecimal digits is literal, because browsers send
    /// it so. Bytes that aren't UTF-8 become U+FFFD. The query is parsed at each access.
    public var queryItems: [QueryItem] { QueryItem.items(of: query) }

    /// Returns the first value of a name in the query; `nil` if it doesn't have the name. See
    /// ``queryItems``.
    public func query(named name: ExactString) -> ExactString? {
        queryItems.first { $0.name == name }?.value
    }

    /// Returns all values of a name in the query, in order. See ``queryItems``.
    public func queryValues(named name: ExactString) -> [ExactString] {
        queryItems.filter { $0.name == name }.map(\.value)
    }
}

extension UpgradeRequest {
    /// The names and values of the query, in order: see ``Request/queryItems``.
    public var queryItems: [QueryItem] { QueryItem.items(of: query) }

    /// Returns the first value of a name in the query; `nil` if it doesn't have the name.
    public func query(named name: ExactString) -> ExactString? {
        queryItems.first { $0.name == name }?.value
    }

    /// Returns all values of a name in the query, in order.
    public func queryValues(named name: ExactString) -> [ExactString] {
        queryItems.filter { $0.name == name }.map(\.value)
    }
}
