package import HTTPTypes

/// One parsed and validated request head, RFC 9112 §3–§6.
package struct RequestHead: Sendable, Equatable {
    /// Method, path and fields.
    ///
    /// `authority` is the target's (RFC 9112 §3.2.2) or else `Host`'s, `nil` only for HTTP/1.0
    /// without one; `scheme` is `nil` unless the target named it; `path` is the origin-form as
    /// received, with its query, or `*`. `headerFields` holds every field but `Host`, in order;
    /// a value with bytes outside ASCII is kept byte for byte.
    package var request: HTTPRequest
    /// The path's segments, percent-decoded; `/` and `*` have none, `/a/` has `a` and an empty
    /// one. Dot segments are left as they are, and an encoded slash stays in its segment.
    package var pathSegments: [ExactString]
    /// What follows the first `?`, as received: ASCII.
    package var query: ExactString?
    /// Whether the connection may serve another request after this one, RFC 9112 §9.3.
    package var keepAlive: Bool
    /// How the content's end is found.
    package var bodyFraming: BodyFraming
    /// Whether the client waits for a 100 before it sends the content, RFC 9110 §10.1.1.
    package var expectsContinue: Bool
    /// Whether the client speaks HTTP/1.0.
    package var isHTTP10: Bool

    /// Whether it is an OPTIONS for no one resource, but the server: `*` (RFC 9112 §3.2.4).
    package var isServerWide: Bool { request.path == "*" }
}

/// How a request's content is delimited, RFC 9112 §6.3.
package enum BodyFraming: Sendable, Equatable {
    /// Neither length nor coding was given: no content.
    case none
    /// Content-Length, in bytes; may be 0.
    case length(Int)
    /// Transfer-Encoding: chunked.
    case chunked

    package var hasContent: Bool {
        switch self {
        case .none, .length(0): false
        case .length, .chunked: true
        }
    }
}

/// What a ``RequestParser`` found next.
package enum RequestEvent: Sendable, Equatable {
    /// All input is consumed and nothing can be said yet.
    case needMore
    /// A request begins; `.end` follows it in any case.
    case head(RequestHead)
    /// Content, as a range of offsets in the input just given; never empty.
    case body(Range<Int>)
    /// The request is complete.
    case end
    /// The request is refused; every later call says the same and consumes nothing.
    case failed(HTTPFault)
}
