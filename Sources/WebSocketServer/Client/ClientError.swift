public import HTTPTypes

/// An error of ``WebSocketClient``: a failed connection or start.
public struct ClientError: Error, Sendable, CustomStringConvertible {
    /// The kind of an error.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private let name: String
        public var description: String { name }

        /// The URL is malformed, or has a part that a WebSocket URL can't have.
        public static let invalidURL = Code(name: "invalidURL")
        /// The URL's scheme isn't supported.
        public static let schemeNotSupported = Code(name: "schemeNotSupported")
        /// There is no TLS with the server: its certificate isn't trusted or is for another host,
        /// or it doesn't speak TLS 1.2 or later.
        public static let tlsFailed = Code(name: "tlsFailed")
        /// A subprotocol isn't a token (RFC 9110 §5.6.2), or is listed twice.
        public static let invalidSubprotocol = Code(name: "invalidSubprotocol")
        /// The host has no address, or no address accepts connections.
        public static let cannotConnect = Code(name: "cannotConnect")
        /// The opening handshake wasn't done within ``Limits/handshakeTimeout``.
        public static let timedOut = Code(name: "timedOut")
        /// The server responded with another status than 101: see ``ClientError/status``,
        /// ``ClientError/headerFields`` and ``ClientError/body``.
        public static let refused = Code(name: "refused")
        /// The response violates RFC 6455 §4.1 or HTTP, or the server closed the connection.
        public static let handshakeFailed = Code(name: "handshakeFailed")
        /// The connecting task was cancelled.
        public static let cancelled = Code(name: "cancelled")
        /// The client has been shut down.
        public static let shutDown = Code(name: "shutDown")
        /// A limit or another setting is out of its range: see ``ClientError/underlying``, which is
        /// ``ConfigurationErrors``.
        public static let invalidConfiguration = Code(name: "invalidConfiguration")
        /// The client's event loops could not be started.
        public static let cannotStart = Code(name: "cannotStart")
    }

    /// The kind of the error.
    public let code: Code
    /// The HTTP status of the response if the error is ``Code/refused``, such as 404; `nil` for
    /// other errors. Redirections (301, for instance) aren't followed.
    public let status: Int?
    /// A description for people.
    public let detail: String
    /// The error that caused this one, if there is one.
    public let underlying: (any Error)?
    /// The body of a refusal, problem+json (RFC 9457) for instance, as far as it came within
    /// ``Limits/bodySizeMax`` and ``Limits/handshakeTimeout``; empty for other errors.
    public private(set) var body: [UInt8] = []
    /// The header fields of a refusal, such as `Location` or `WWW-Authenticate`; empty for other
    /// errors.
    public var headerFields: HTTPFields { response?.headerFields ?? [:] }
    /// A refusal's status and header fields.
    package private(set) var response: HTTPResponse?

    init(
        _ code: Code, _ detail: String, status: Int? = nil, underlying: (any Error)? = nil
    ) {
        self.code = code
        self.status = status
        self.detail = detail
        self.underlying = underlying
    }

    /// Creates the error for invalid settings.
    init(_ errors: [ConfigurationError]) {
        let errors = ConfigurationErrors(errors)
        self.init(.invalidConfiguration, "\(errors)", underlying: errors)
    }

    /// Creates the error for a refusal.
    init(refusal response: HTTPResponse, body: [UInt8]) {
        self.init(.refused, "the server answered \(response.status)", status: response.status.code)
        self.response = response
        self.body = body
    }

    public var description: String { "\(code): \(detail)" }
}
