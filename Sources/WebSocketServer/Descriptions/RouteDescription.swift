/// What a route for requests does, takes and returns, for people and programs. It changes nothing
/// about the route; ``Router/openAPI(title:version:details:)`` makes a document of it.
///
/// ```swift
/// let note: JSONSchema = .object(["text": .string(count: 1...1_000)])
/// router.post(
///     "/notes",
///     description: RouteDescription(
///         "Stores a note", body: [.json(note)],
///         responses: [RouteResponse(201, "The note is stored", .json(note))])
/// ) { request in try await store(request) }
/// ```
public struct RouteDescription: Sendable, Hashable {
    /// What the route does, in a few words.
    public var summary: String
    /// All that is to be said about it, in Markdown; may be empty.
    public var details: String
    /// The name of the group that the route is listed in; may be empty.
    public var tag: String
    /// The parameters of the query and the header fields, and more about those of the path, which
    /// are known from the route.
    public var parameters: [RouteParameter]
    /// The forms in which the body may come; empty for a route that takes none.
    public var body: [RouteContent]
    /// Whether a request without a body is refused.
    public var requiresBody: Bool
    /// The responses. Those by which the server refuses requests itself need not be listed.
    public var responses: [RouteResponse]
    /// Whether a bearer token is needed (RFC 6750).
    public var requiresToken: Bool

    /// Creates a description.
    public init(
        _ summary: String, details: String = "", tag: String = "",
        parameters: [RouteParameter] = [], body: [RouteContent] = [], requiresBody: Bool = true,
        responses: [RouteResponse] = [], requiresToken: Bool = false
    ) {
        self.summary = summary
        self.details = details
        self.tag = tag
        self.parameters = parameters
        self.body = body
        self.requiresBody = requiresBody
        self.responses = responses
        self.requiresToken = requiresToken
    }
}

/// A parameter of a request.
public struct RouteParameter: Sendable, Hashable {
    /// The part of a request that has the parameter.
    public enum Place: String, Sendable, Hashable {
        /// A segment of the path.
        case path
        /// The query.
        case query
        /// The header fields.
        case header
    }

    /// The name.
    public var name: String
    /// The part of a request that has the parameter.
    public var place: Place
    /// What it is for, in Markdown; may be empty.
    public var details: String
    /// The form of its value.
    public var schema: JSONSchema
    /// Whether a request without it is refused. Parameters of the path always are there.
    public var isRequired: Bool

    /// Creates a parameter.
    public init(
        _ name: String, in place: Place = .query, _ details: String = "",
        schema: JSONSchema = .string(), isRequired: Bool = false
    ) {
        self.name = name
        self.place = place
        self.details = details
        self.schema = schema
        self.isRequired = isRequired
    }
}

/// The content of a body: its media type and its form.
public struct RouteContent: Sendable, Hashable {
    /// The media type, such as `application/json`.
    public var mediaType: String
    /// The form of the content.
    public var schema: JSONSchema

    /// Creates the content of a media type.
    public init(_ mediaType: String, schema: JSONSchema = .string()) {
        self.mediaType = mediaType
        self.schema = schema
    }

    /// JSON.
    public static func json(_ schema: JSONSchema) -> RouteContent {
        RouteContent("application/json", schema: schema)
    }

    /// The fields of a form, `application/x-www-form-urlencoded`.
    public static func form(_ schema: JSONSchema) -> RouteContent {
        RouteContent("application/x-www-form-urlencoded", schema: schema)
    }

    /// Plain text.
    public static var text: RouteContent { RouteContent("text/plain") }
}

/// A response to a request.
public struct RouteResponse: Sendable, Hashable {
    /// The status, such as 200.
    public var status: Int
    /// When the request is answered so, in a few words.
    public var details: String
    /// The content of the body; `nil` for none.
    public var content: RouteContent?

    /// Creates a response.
    public init(_ status: Int, _ details: String, _ content: RouteContent? = nil) {
        self.status = status
        self.details = details
        self.content = content
    }

    /// Creates a response whose body is the refusal of a ``Problem``.
    public static func problem(_ status: Int, _ details: String) -> RouteResponse {
        RouteResponse(status, details, .problem)
    }
}

extension RouteContent {
    /// A refusal (RFC 9457).
    static let problem = RouteContent(
        "application/problem+json",
        schema: .object([
            "type": .string("Always `about:blank`: the status says which problem it is."),
            "title": .string("The name of the status."),
            "status": .integer("The status.", in: 400...599),
            "detail": .string("The reason, and what to do about it."),
        ]))
}
