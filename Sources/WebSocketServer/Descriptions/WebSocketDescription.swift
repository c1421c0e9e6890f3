/// What a WebSocket route is for and which messages it takes and sends, for people and programs. It
/// changes nothing about the route; ``Router/asyncAPI(title:version:details:)`` makes a document of
/// it.
///
/// ```swift
/// router.webSocket(
///     "/rooms/{room}",
///     description: WebSocketDescription(
///         "A room", receives: [MessageDescription("line", "What a member says")],
///         sends: [MessageDescription("line", "What another member says")])
/// ) { member in … }
/// ```
public struct WebSocketDescription: Sendable, Hashable {
    /// What the route is for, in a few words.
    public var summary: String
    /// All that is to be said about it, in Markdown; may be empty.
    public var details: String
    /// The parameters of the query and the header fields, and more about those of the path, which
    /// are known from the route.
    public var parameters: [RouteParameter]
    /// The messages that clients may send; empty for none.
    public var receives: [MessageDescription]
    /// The messages that clients get; empty for none.
    public var sends: [MessageDescription]
    /// Whether a bearer token is needed (RFC 6750).
    public var requiresToken: Bool

    /// Creates a description.
    public init(
        _ summary: String, details: String = "", parameters: [RouteParameter] = [],
        receives: [MessageDescription] = [], sends: [MessageDescription] = [],
        requiresToken: Bool = false
    ) {
        self.summary = summary
        self.details = details
        self.parameters = parameters
        self.receives = receives
        self.sends = sends
        self.requiresToken = requiresToken
    }
}

/// A kind of message of a WebSocket.
public struct MessageDescription: Sendable, Hashable {
    /// The name: letters, digits, `_`, `-` and `.`, different from those of the other messages in
    /// the same direction.
    public var name: String
    /// What the message is for, in Markdown; may be empty.
    public var details: String
    /// The media type and the form of the message.
    public var content: RouteContent

    /// Creates a kind of message.
    public init(_ name: String, _ details: String = "", content: RouteContent = .text) {
        self.name = name
        self.details = details
        self.content = content
    }
}
