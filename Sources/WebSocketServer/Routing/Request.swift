public import HTTPProtocol
public import HTTPTypes
import WebSocketProtocol

/// A plain HTTP request, whole with its body.
public struct Request: Sendable {
    /// Method, path and header fields as received.
    public let head: HTTPRequest
    /// Values of the route's parameters, percent-decoded.
    public let parameters: PathParameters
    /// What follows `?` in the path, undecoded.
    public let query: ExactString?
    /// The body, at most ``Limits/bodySizeMax``.
    public let body: [UInt8]
    /// The client's address without its port: the peer's, or the one that a trusted proxy names
    /// (``ProxyOptions``).
    public let remoteAddress: String
    /// Whether a stop of the server has begun: ``Server/isDraining``.
    public let isDraining: Bool
}

/// A request to become a WebSocket, its opening handshake already checked (RFC 6455 §4.2.1), or a
/// plain one that asks whether it could (``isPlain``).
public struct UpgradeRequest: Sendable {
    public let head: HTTPRequest
    public let parameters: PathParameters
    public let query: ExactString?
    /// The subprotocols offered, in the client's order of preference.
    public let subprotocols: [String]
    public let remoteAddress: String
    /// Whether this is a plain GET or HEAD of the route's path. It is answered with the refusal
    /// that an opening handshake would get, or 426; a handler that accepts it is never opened. It
    /// may lack what only a handshake has, such as ``subprotocols``.
    public let isPlain: Bool

    /// The first of `supported` that is offered: the server's order decides, and names are compared
    /// exactly (RFC 6455 §4.2.2). `nil` if the two have nothing in common: accept without one then,
    /// or refuse.
    public func subprotocol(among supported: [String]) -> String? {
        SubprotocolSelection.choose(offered: subprotocols, supported: supported)
    }
}

/// Values of a route's path parameters, by name. Compare them as they are, not as a `String`:
/// ``ExactString`` says why.
public struct PathParameters: Sendable, Hashable {
    let values: [String: ExactString]

    public subscript(name: String) -> ExactString? { values[name] }

    /// The value of an `{name:int}` parameter, which the router has checked.
    public func integer(_ name: String) -> Int {
        guard let value = values[name].flatMap({ Int($0.string) }) else {
            preconditionFailure("the route has no parameter {\(name):int}")
        }
        return value
    }
}

/// An answer to a ``Request``.
public struct Response: Sendable {
    public var status: HTTPResponse.Status
    public var headerFields: HTTPFields
    public var body: [UInt8]
    /// The source of a body that is sent in parts, instead of ``body``.
    var stream: Stream?

    /// Returns the next part of a body, however long, or `nil` behind the last.
    public typealias Stream = @Sendable () async throws -> [UInt8]?

    public init(
        status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:], body: [UInt8] = []
    ) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }

    /// A response whose body is made while it is sent.
    ///
    /// - Parameter stream: Called for one part after the other, on the connection's loop, each time
    ///   that the client has taken enough of those before: what it doesn't read is never made. Once
    ///   it throws, the connection is reset, since the status has been sent. A client that takes
    ///   nothing for ``Limits/handshakeTimeout`` is reset, too. Not called for a HEAD.
    public init(
        status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:],
        stream: @escaping Stream
    ) {
        self.init(status: status, headerFields: headerFields)
        self.stream = stream
    }

    /// Text of a media type, UTF-8.
    public static func text(
        _ text: String, type: String = "text/plain; charset=utf-8",
        status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(status: status, headerFields: [.contentType: type], body: [UInt8](text.utf8))
    }

    /// JSON, already encoded.
    public static func json(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        .text(text, type: "application/json", status: status)
    }
}

/// What a route makes of an ``UpgradeRequest``.
public struct UpgradeDecision {
    struct Acceptance {
        let handler: any ConnectionHandler
        let subprotocol: String?
        let awaitsAuthentication: Bool
    }

    enum Kind {
        case accept(Acceptance)
        case refuse(HTTPResponse.Status, detail: String)
    }

    let kind: Kind

    /// Upgrade; the handler gets the connection.
    ///
    /// - Parameter subprotocol: one of those offered; another is left out, as the client would
    ///   have to fail on it (RFC 6455 §4.1). See ``UpgradeRequest/subprotocol(among:)``.
    /// - Parameter awaitsAuthentication: the peer has yet to prove who it is, by its first message
    ///   say. Until the handler calls ``Connection/authenticated()`` smaller limits hold
    ///   (``Limits/unauthenticatedMessageSizeMax``, ``Limits/authenticationTimeout``). Nothing that
    ///   such a peer sends is ever inflated: compression is not agreed on.
    public static func accept(
        _ handler: any ConnectionHandler, subprotocol: String? = nil,
        awaitsAuthentication: Bool = false
    ) -> UpgradeDecision {
        UpgradeDecision(
            kind: .accept(
                Acceptance(
                    handler: handler, subprotocol: subprotocol,
                    awaitsAuthentication: awaitsAuthentication)))
    }

    /// Answer with a status and a problem+json body instead (RFC 9457).
    public static func refuse(
        _ status: HTTPResponse.Status, _ detail: String
    ) -> UpgradeDecision {
        UpgradeDecision(kind: .refuse(status, detail: detail))
    }
}
