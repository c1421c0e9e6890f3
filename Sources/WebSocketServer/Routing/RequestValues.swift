/// The name and type of a value that a middleware hands to the routes behind it.
///
/// ```swift
/// struct Account: RequestValueKey { typealias Value = User }
/// ```
public protocol RequestValueKey {
    /// The type of the value.
    associatedtype Value: Sendable
}

/// Values of one request, by their keys: see ``Request/values`` and ``UpgradeRequest/values``.
public struct RequestValues: Sendable {
    private var values: [ObjectIdentifier: any Sendable] = [:]

    /// Creates an empty collection, which allocates nothing.
    init() {}

    /// The value of a key; `nil` if no middleware has set it.
    public subscript<Key: RequestValueKey>(key: Key.Type) -> Key.Value? {
        get { values[ObjectIdentifier(key)] as? Key.Value }
        set { values[ObjectIdentifier(key)] = newValue }
    }
}

/// Whether a middleware allows the page that sends a request, so that the server's own policy isn't
/// asked.
enum GrantedOrigin: RequestValueKey {
    typealias Value = Bool
}
