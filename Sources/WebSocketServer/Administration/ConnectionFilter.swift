public import HTTPProtocol

/// The connections that an operator means: those to which all given conditions apply. Without
/// conditions, all connections of a server.
public struct ConnectionFilter: Sendable, Hashable {
    /// The number of one connection.
    public var id: UInt64?
    /// The clients' addresses: one, a range, or Unix-domain sockets.
    public var addresses: TrustedProxy?
    /// The user that ``Connection/setUser(_:)`` has named.
    public var user: ExactString?
    /// The path of the WebSocket's route as it was given to the router, such as `/rooms/{room}`.
    public var route: ExactString?
    /// A topic that the connection subscribes to.
    public var topic: ExactString?

    /// Creates a filter without conditions.
    public init() {}

    /// Creates a filter for one connection.
    public init(id: UInt64) { self.id = id }

    /// Whether there are no conditions.
    public var isEmpty: Bool { self == ConnectionFilter() }
}
