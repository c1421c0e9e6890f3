package import HTTPTypes

/// A parsed and validated request head, RFC 9112 §3–§6.
package struct RequestHead: Sendable, Equatable {
    /// The method, path and fields.
    ///
    /// - `authority` is the target's (RFC 9112 §3.2.2), otherwise the value of `Host`. It is `nil`
    ///   only for an HTTP/1.0 request without either.
    /// - `scheme` is `nil` unless the target contains it.
    /// - `path` is the origin-form as received, with its query, or `*`.
    /// - `headerFields` holds every field except `Host`, in order. Values with bytes outside ASCII
    ///   are kept byte for byte.
    package var request: HTTPRequest
    /// The percent-decoded segments of the path. `/` and `*` have none; `/a/` has `a` and an empty
    /// one. Dot segments are kept, and an encoded slash stays in its segment.
    package var pathSegments: [ExactString]
    /// The text after the first `?`, as received: ASCII.
    package var query: ExactString?
    /// Whether the connection may serve another request after this one, RFC 9112 §9.3.
    package var keepAlive: Bool
    /// The way to find the end of the content.
    package var bodyFraming: BodyFraming
    /// Whether the client waits for a 100 before it sends the content, RFC 9110 §10.1.1.
    package var expectsContinue: Bool
    /// Whether the client speaks HTTP/1.0.
    package var isHTTP10: Bool

    /// Whether this is an OPTIONS request for the server as a whole: `*` (RFC 9112 §3.2.4).
    package var isServerWide: Bool { request.path == "*" }
}

/// The delimiter of the content of a request, RFC 9112 §6.3.
package enum BodyFraming: Sendable, Equatable {
    /// Neither a length nor a coding: no content.
    case none
    /// Content-Length in bytes, which may be 0.
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

/// The next event of a ``RequestParser``.
package enum RequestEvent: Sendable, Equatable {
    /// All input is consumed; more is needed.
    case needMore
    /// A request begins. `.end` or `.failed` follows.
    case head(RequestHead)
    /// Content, as offsets in the current input; never empty.
    case body(Range<Int>)
    /// The request is complete.
    case end
    /// The request is refused. Every later call returns the same event and consumes nothing.
    case failed(HTTPFault)
}
