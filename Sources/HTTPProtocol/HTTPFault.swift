package import HTTPTypes

/// Why a request is refused: the status to answer with, and the words for its problem body.
///
/// The detail is fixed text about the rule that was broken; it never repeats the peer's bytes.
/// After a parser's fault the connection must close: what follows can't be told apart.
package struct HTTPFault: Error, Sendable, Equatable {
    /// The response's status.
    package var status: HTTPResponse.Status
    /// One human-readable sentence, RFC 9457 §3.1.4.
    package var detail: String
    /// Fields that the response must carry, such as `Allow` or `Retry-After`.
    package var headerFields: HTTPFields

    package init(
        status: HTTPResponse.Status, detail: String, headerFields: HTTPFields = [:]
    ) {
        self.status = status
        self.detail = detail
        self.headerFields = headerFields
    }
}

/// Faults that a parser finds.
extension HTTPFault {
    /// 400, RFC 9110 §15.5.1.
    package static func badRequest(_ detail: String) -> HTTPFault {
        HTTPFault(status: .badRequest, detail: detail)
    }

    /// 411, RFC 9110 §15.5.12.
    package static var lengthRequired: HTTPFault {
        HTTPFault(
            status: .lengthRequired,
            detail: "Content of a type has a length: Content-Length or chunks.")
    }

    /// 413, RFC 9110 §15.5.14.
    package static var contentTooLarge: HTTPFault {
        HTTPFault(status: .contentTooLarge, detail: "The content is larger than this server takes.")
    }

    /// 414, RFC 9110 §15.5.15.
    package static var uriTooLong: HTTPFault {
        HTTPFault(status: .uriTooLong, detail: "The request line is too long.")
    }

    /// 417, RFC 9110 §15.5.18.
    package static var expectationFailed: HTTPFault {
        HTTPFault(
            status: .expectationFailed, detail: "The only expectation known is 100-continue.")
    }

    /// 431, RFC 6585 §5.
    package static var headerFieldsTooLarge: HTTPFault {
        HTTPFault(
            status: .requestHeaderFieldsTooLarge, detail: "The header fields are too many or long.")
    }

    /// 501, RFC 9110 §15.6.2.
    package static func notImplemented(_ detail: String) -> HTTPFault {
        HTTPFault(status: .notImplemented, detail: detail)
    }

    /// 505, RFC 9110 §15.6.6.
    package static var versionNotSupported: HTTPFault {
        HTTPFault(
            status: .httpVersionNotSupported, detail: "This server speaks HTTP/1.1 and HTTP/1.0.")
    }

    /// 502 stands for a response that a client could not understand, RFC 9110 §15.6.3.
    package static func badResponse(_ detail: String) -> HTTPFault {
        HTTPFault(status: .badGateway, detail: detail)
    }
}

/// Faults that a router or a server finds.
extension HTTPFault {
    /// 404, RFC 9110 §15.5.5.
    package static var notFound: HTTPFault {
        HTTPFault(status: .notFound, detail: "Nothing is here.")
    }

    /// 405 with the `Allow` field that it must carry, RFC 9110 §15.5.6.
    package static func methodNotAllowed(allow: [HTTPRequest.Method]) -> HTTPFault {
        let methods = allow.map(\.rawValue).joined(separator: ", ")
        return HTTPFault(
            status: .methodNotAllowed, detail: "This resource does not know that method.",
            headerFields: [.allow: methods])
    }

    /// 408 for a request that trickles in, RFC 9110 §15.5.9.
    package static var requestTimeout: HTTPFault {
        HTTPFault(status: .requestTimeout, detail: "The request did not arrive in time.")
    }

    /// 426 for a plain request to a WebSocket, RFC 6455 §4.4.
    package static func upgradeRequired(isHTTP10: Bool) -> HTTPFault {
        HTTPFault(
            status: .upgradeRequired,
            detail: isHTTP10
                ? "This resource speaks WebSocket, which needs HTTP/1.1."
                : "This resource speaks WebSocket: ask for an upgrade.",
            headerFields: [.upgrade: "websocket", .secWebSocketVersion: "13"])
    }

    /// 500, RFC 9110 §15.6.1.
    package static var internalServerError: HTTPFault {
        HTTPFault(status: .internalServerError, detail: "The server failed.")
    }

    /// 503 that asks the client to come back after five seconds, RFC 9110 §15.6.4, §10.2.3.
    package static var outOfMemory: HTTPFault {
        HTTPFault(
            status: .serviceUnavailable, detail: "Too much is being received at once.",
            headerFields: [.retryAfter: "1"])
    }

    package static var tooManyConnections: HTTPFault {
        HTTPFault(
            status: .serviceUnavailable, detail: "This server takes no more for now.",
            headerFields: [.retryAfter: "5"])
    }
}
