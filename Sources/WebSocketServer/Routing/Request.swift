public import HTTPProtocol
public import HTTPTypes
import WebSocketProtocol

/// A complete HTTP request.
public struct Request: Sendable {
    /// The method, path and header fields as received.
    public let head: HTTPRequest
    /// The values of the route's parameters, percent-decoded.
    public let parameters: PathParameters
    /// The query after the first `?`, not percent-decoded; `nil` if there is no `?`.
    public let query: ExactString?
    /// The body; empty if there is none. At most ``Limits/bodySizeMax``.
    public let body: [UInt8]
    /// The client's IP address without a port, taken from the connection or from a trusted proxy
    /// (``ProxyOptions``).
    public let remoteAddress: String
    /// Whether the server has begun to stop: ``Server/isDraining``.
    public let isDraining: Bool
}

/// A request for a WebSocket whose opening handshake is valid (RFC 6455 §4.2.1), or a plain request
/// that asks whether one would be accepted (``isPlain``).
public struct UpgradeRequest: Sendable {
    /// The method, path and header fields as received.
    public let head: HTTPRequest
    /// The values of the route's parameters, percent-decoded.
    public let parameters: PathParameters
    /// The query after the first `?`, not percent-decoded; `nil` if there is no `?`.
    public let query: ExactString?
    /// The offered subprotocols, in the client's order of preference.
    public let subprotocols: [String]
    /// The client's IP address without a port: see ``Request/remoteAddress``.
    public let remoteAddress: String
    /// Whether this is a plain GET or HEAD of the path of the route. It is answered with the
    /// refusal that an opening handshake would get, or 426; a handler that accepts it is never
    /// opened. It may lack what only a handshake has, such as ``subprotocols``.
    public let isPlain: Bool

    /// Returns the first of the `supported` subprotocols that the client offers. Names are compared
    /// exactly (RFC 6455 §4.2.2).
    ///
    /// - Parameter supported: The server's subprotocols, in its order of preference.
    /// - Returns: `nil` if there is none in common. Accept the upgrade without one then, or refuse.
    public func subprotocol(among supported: [String]) -> String? {
        SubprotocolSelection.choose(offered: subprotocols, supported: supported)
    }
}

/// The values of a route's path parameters, by name. Compare them as they are, not as a `String`:
/// see ``ExactString``.
public struct PathParameters: Sendable, Hashable {
    let values: [String: ExactString]

    /// Returns the value of a parameter; `nil` if the route has none of this name.
    public subscript(name: String) -> ExactString? { values[name] }

    /// Returns the value of an `{name:int}` parameter, which the router has validated. Traps if the
    /// route has no such parameter.
    public func integer(_ name: String) -> Int {
        guard let value = values[name].flatMap({ Int($0.string) }) else {
            preconditionFailure("the route has no parameter {\(name):int}")
        }
        return value
    }
}

/// The response to a ``Request``.
public struct Response: Sendable {
    /// The status. Default 200.
    public var status: HTTPResponse.Status
    /// The header fields. `Content-Length`, `Transfer-Encoding`, `Connection` and `Date` are added
    /// by the server, which ignores the first three here.
    public var headerFields: HTTPFields
    /// The body. It isn't sent for HEAD, or for a status without content.
    public var body: [UInt8]
    /// The source of a streamed body, which replaces ``body``.
    var stream: Stream?

    /// A closure that returns the next part of a body, of any size, or `nil` at the end.
    public typealias Stream = @Sendable () async throws -> [UInt8]?

    /// Creates a response with a body in memory.
    public init(
        status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:], body: [UInt8] = []
    ) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }

    /// Creates a response whose body is produced while it is sent.
    ///
    /// - Parameter stream: Called on the connection's event loop for one part after the other, each
    ///   time the client has received enough of the previous ones. If it throws, the connection is
    ///   reset, because the status has already been sent. A client that receives nothing for
    ///   ``Limits/handshakeTimeout`` is reset too. Not called for a HEAD request.
    public init(
        status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:],
        stream: @escaping Stream
    ) {
        self.init(status: status, headerFields: headerFields)
        self.stream = stream
    }

    /// Returns a response with text in UTF-8.
    public static func text(
        _ text: String, type: String = "text/plain; charset=utf-8",
        status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(status: status, headerFields: [.contentType: type], body: [UInt8](text.utf8))
    }

    /// Returns a response with JSON that is already encoded.
    public static func json(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        .text(text, type: "application/json", status: status)
    }
}

/// A route's decision on an ``UpgradeRequest``.
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

    /// Accepts the upgrade.
    ///
    /// - Parameters:
    ///   - handler: Receives the connection.
    ///   - subprotocol: One of the offered subprotocols: see
    ///     ``UpgradeRequest/subprotocol(among:)``. Any other is left out, because the client would
    ///     have to fail (RFC 6455 §4.1).
    ///   - awaitsAuthentication: Whether the peer still has to authenticate, such as by its first
    ///     message. Until the handler calls ``Connection/markAuthenticated()``, smaller limits apply
    ///     (``Limits/unauthenticatedMessageSizeMax``, ``Limits/authenticationTimeout``).
    ///     Compression isn't negotiated with such a peer.
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

    /// Refuses the upgrade with a status and a body of `application/problem+json` (RFC 9457).
    public static func refuse(
        _ status: HTTPResponse.Status, _ detail: String
    ) -> UpgradeDecision {
        UpgradeDecision(kind: .refuse(status, detail: detail))
    }
}
