package import HTTPTypes

/// The reason why a request is refused: the status and the detail of the problem body.
///
/// The detail is a fixed text about the broken rule. It never repeats bytes of the peer. After a
/// parser's error the connection must be closed, because the start of the next request is unknown.
package struct HTTPFault: Error, Sendable, Equatable {
    /// The status of the response.
    package var status: HTTPResponse.Status
    /// A sentence for people, RFC 9457 §3.1.4.
    package var detail: String
    /// The fields that the response must carry, such as `Allow` or `Retry-After`.
    package var headerFields: HTTPFields

    package init(
        status: HTTPResponse.Status, detail: String, headerFields: HTTPFields = [:]
    ) {
        self.status = status
        self.detail = detail
        self.headerFields = headerFields
    }
}

/// The errors that a parser finds.
extension HTTPFault {
    /// Returns a 400 (Bad Request), RFC 9110 §15.5.1.
    package static func badRequest(_ detail: String) -> HTTPFault {
        HTTPFault(status: .badRequest, detail: detail)
    }

    /// A 411 (Length Required), RFC 9110 §15.5.12.
    package static var lengthRequired: HTTPFault {
        HTTPFault(
            status: .lengthRequired,
            detail: "A Content-Type needs a Content-Length or chunks.")
    }

    /// A 413 (Content Too Large), RFC 9110 §15.5.14.
    package static var contentTooLarge: HTTPFault {
        HTTPFault(
            status: .contentTooLarge, detail: "The content is larger than this server accepts.")
    }

    /// A 414 (URI Too Long), RFC 9110 §15.5.15.
    package static var uriTooLong: HTTPFault {
        HTTPFault(status: .uriTooLong, detail: "The request line is too long.")
    }

    /// A 417 (Expectation Failed), RFC 9110 §15.5.18.
    package static var expectationFailed: HTTPFault {
        HTTPFault(
            status: .expectationFailed, detail: "The only supported expectation is 100-continue.")
    }

    /// A 431 (Request Header Fields Too Large), RFC 6585 §5.
    package static var headerFieldsTooLarge: HTTPFault {
        HTTPFault(
            status: .requestHeaderFieldsTooLarge,
            detail: "The header fields are too many or too long.")
    }

    /// Returns a 501 (Not Implemented), RFC 9110 §15.6.2.
    package static func notImplemented(_ detail: String) -> HTTPFault {
        HTTPFault(status: .notImplemented, detail: detail)
    }

    /// A 505 (HTTP Version Not Supported), RFC 9110 §15.6.6.
    package static var versionNotSupported: HTTPFault {
        HTTPFault(
            status: .httpVersionNotSupported, detail: "This server supports HTTP/1.1 and HTTP/1.0.")
    }

    /// Returns a 502 (Bad Gateway) for a response that a client can't parse, RFC 9110 §15.6.3.
    package static func badResponse(_ detail: String) -> HTTPFault {
        HTTPFault(status: .badGateway, detail: detail)
    }
}

/// The errors that a router or a server finds.
extension HTTPFault {
    /// A 404 (Not Found), RFC 9110 §15.5.5.
    package static var notFound: HTTPFault {
        HTTPFault(status: .notFound, detail: "There is nothing at this path.")
    }

    /// Returns a 405 (Method Not Allowed) with its mandatory `Allow` field, RFC 9110 §15.5.6.
    package static func methodNotAllowed(allow: [HTTPRequest.Method]) -> HTTPFault {
        let methods = allow.map(\.rawValue).joined(separator: ", ")
        return HTTPFault(
            status: .methodNotAllowed, detail: "This resource does not support this method.",
            headerFields: [.allow: methods])
    }

    /// A 408 (Request Timeout) for a request that arrives too slowly, RFC 9110 §15.5.9.
    package static var requestTimeout: HTTPFault {
        HTTPFault(status: .requestTimeout, detail: "The request did not arrive in time.")
    }

    /// Returns a 426 (Upgrade Required) for a plain request to a WebSocket route, RFC 6455 §4.4.
    package static func upgradeRequired(isHTTP10: Bool) -> HTTPFault {
        HTTPFault(
            status: .upgradeRequired,
            detail: isHTTP10
                ? "This is a WebSocket, which needs HTTP/1.1."
                : "This is a WebSocket: request an upgrade.",
            headerFields: [.upgrade: "websocket", .secWebSocketVersion: "13"])
    }

    /// A 500 (Internal Server Error), RFC 9110 §15.6.1.
    package static var internalServerError: HTTPFault {
        HTTPFault(status: .internalServerError, detail: "An internal error occurred.")
    }

    /// A 503 (Service Unavailable) that asks the client to retry after one second, RFC 9110
    /// §15.6.4, §10.2.3.
    package static var outOfMemory: HTTPFault {
        HTTPFault(
            status: .serviceUnavailable, detail: "Too much is being received at once.",
            headerFields: [.retryAfter: "1"])
    }

    /// A 503 (Service Unavailable) that asks the client to retry after five seconds, RFC 9110
    /// §15.6.4, §10.2.3.
    package static var tooManyConnections: HTTPFault {
        HTTPFault(
            status: .serviceUnavailable, detail: "This server has too many connections for now.",
            headerFields: [.retryAfter: "5"])
    }
}
