public import HTTPProtocol
public import HTTPTypes
public import PubSub
import WebSocketProtocol

/// A complete HTTP request.
public struct Request: TopicPublisher {
    /// The method, path and header fields, as received unless a ``Middleware`` has changed them.
    public var head: HTTPRequest
    /// The values of the route's parameters, percent-decoded; none if there is no route.
    public let parameters: PathParameters
    /// The query after the first `?`, not percent-decoded; `nil` if there is no `?`.
    public let query: ExactString?
    /// The values that ``Middleware`` has added, for routes and further middleware.
    public var values = RequestValues()
    /// The body; empty if there is none. At most ``Limits/bodySizeMax``.
    public let body: [UInt8]
    /// The client's IP address without a port, taken from the connection or from a trusted proxy
    /// (``ProxyConfiguration``).
    public let remoteAddress: String
    /// Whether the server is stopping or drained: ``Server/isDraining``.
    public let isDraining: Bool
    /// Whether the server refuses new connections because it is overloaded:
    /// ``Server/isOverloaded``.
    public internal(set) var isOverloaded = false
    let publisher: Publisher
    /// Whether this is an OPTIONS request that no route handles, so that the server itself does.
    var isUnroutedOptions = false

    /// Publishes a message to all subscribers of its topic, as ``Server/publish(_:)`` does: a route
    /// can't name the server, which is made after its router.
    ///
    /// - Throws: ``BrokerError`` if the broker refuses the message, or too much waits to be
    ///   delivered.
    public func publish(_ publication: Publication) async throws(BrokerError) {
        try await publisher.publish(publication)
    }
}

/// A request for a WebSocket whose opening handshake is valid (RFC 6455 §4.2.1), or a plain request
/// that asks whether one would be accepted (``isPlain``).
public struct UpgradeRequest: Sendable {
    /// The method, path and header fields, as received unless a ``Middleware`` has changed them.
    public let head: HTTPRequest
    /// The values of the route's parameters, percent-decoded.
    public let parameters: PathParameters
    /// The query after the first `?`, not percent-decoded; `nil` if there is no `?`.
    public let query: ExactString?
    /// The values that ``Middleware`` has added.
    public let values: RequestValues
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
    var values: [String: ExactString] = [:]
    /// The segments that `{name...}` matched, percent-decoded; empty if the route has no such
    /// parameter. A segment may contain a slash that was encoded, or be `..`: check both before a
    /// path of files is made of it.
    public internal(set) var rest: [ExactString] = []

    /// Returns the value of a parameter; `nil` if the route has none of this name. The value of
    /// `{name...}` has the segments of ``rest``, with slashes between them.
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
    /// The size of a streamed body, if it is known.
    var contentLength: Int?

    /// A closure that returns the next part of a body, of any size, or `nil` at the end. It runs on
    /// the connection's event loop and must not block it. If it throws, the connection is reset.
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
    /// - Parameters:
    ///   - contentLength: The size of the whole body if it is known; otherwise the parts are sent in
    ///     chunks. If the parts turn out to have another size, the connection is reset.
    ///   - stream: Called on the connection's event loop for one part after the other, each time the
    ///     client has received enough of the previous ones. If it throws, the connection is reset,
    ///     because the status has already been sent. A client that receives nothing for
    ///     ``Limits/handshakeTimeout`` is reset too. Not called for a HEAD request.
    public init(
        status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:],
        contentLength: Int? = nil, stream: @escaping Stream
    ) {
        self.init(status: status, headerFields: headerFields)
        self.stream = stream
        self.contentLength = contentLength.map { max(0, $0) }
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
