package import HTTPTypes

/// Why a connection could not be made, or a client not be started.
public struct ClientError: Error, Sendable, CustomStringConvertible {
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private let name: String
        public var description: String { name }

        /// The URL can't be understood, or names something that a WebSocket URL may not.
        public static let invalidURL = Code(name: "invalidURL")
        /// `wss:`, which needs TLS.
        public static let schemeNotSupported = Code(name: "schemeNotSupported")
        /// A subprotocol that is no token, or is named twice.
        public static let invalidSubprotocol = Code(name: "invalidSubprotocol")
        /// No address of the host, or none that accepts connections.
        public static let cannotConnect = Code(name: "cannotConnect")
        /// Not connected, or no answer, within ``Limits/handshakeTimeout``.
        public static let timedOut = Code(name: "timedOut")
        /// The server answered with a status other than 101: ``ClientError/status``.
        public static let refused = Code(name: "refused")
        /// The server's answer breaks RFC 6455 §4.1 or HTTP, or it left before one.
        public static let handshakeFailed = Code(name: "handshakeFailed")
        /// The task that connected was cancelled.
        public static let cancelled = Code(name: "cancelled")
        /// The client has been shut down.
        public static let shutDown = Code(name: "shutDown")
        /// The client's loops could not be started.
        public static let cannotStart = Code(name: "cannotStart")
    }

    public let code: Code
    /// The HTTP status of a refusal, `404` and the like.
    public let status: Int?
    /// What went wrong, for a person to read.
    public let detail: String
    public let underlying: (any Error)?
    /// The body of a refusal, problem+json (RFC 9457) for instance, as far as it came within
    /// ``Limits/bodySizeMax`` and ``Limits/handshakeTimeout``; empty for other errors.
    public private(set) var body: [UInt8] = []
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

    /// A refusal.
    init(refusal response: HTTPResponse, body: [UInt8]) {
        self.init(.refused, "the server answered \(response.status)", status: response.status.code)
        self.response = response
        self.body = body
    }

    public var description: String { "\(code): \(detail)" }
}
