internal import COpenSSL
package import HTTPTypes

/// The server's side of the opening handshake (RFC 6455 §4.2): the check of a request, and the 101
/// response.
///
/// Requests have already been parsed as HTTP/1.1. The version, `Host`, path, body, `Origin` and
/// authentication are the caller's responsibility.
package enum OpeningHandshake {
    /// Returns whether a request asks for an upgrade: it has `websocket` in `Upgrade`, or `upgrade`
    /// in `Connection`. ``check(_:)`` tells whether the request is valid.
    package static func isUpgradeRequest(_ request: HTTPRequest) -> Bool {
        HeaderGrammar.list(.upgrade, in: request.headerFields, contains: "websocket")
            || HeaderGrammar.list(.connection, in: request.headerFields, contains: "upgrade")
    }

    /// Checks a request. Returns the client's requests, or throws the refusal.
    package static func check(
        _ request: HTTPRequest
    ) throws(HandshakeFault) -> HandshakeRequest {
        let fields = request.headerFields
        guard request.method == .get else { throw .methodNotAllowed }
        guard HeaderGrammar.list(.upgrade, in: fields, contains: "websocket") else {
            throw .upgradeRequired("This resource speaks WebSocket only.")
        }
        guard HeaderGrammar.list(.connection, in: fields, contains: "upgrade") else {
            throw .badRequest("The Connection header does not contain 'Upgrade'.")
        }
        // RFC 6455 §4.2.2 and §4.4 ask for "an appropriate error code (such as 426)" and our
        // version if we don't support the client's. For a missing version, §4.2.1 suggests 400; 426
        // is more helpful.
        guard single(.secWebSocketVersion, in: fields)?.utf8.elementsEqual("13".utf8) == true else {
            throw .upgradeRequired("The Sec-WebSocket-Version header must be 13.")
        }
        guard let key = single(.secWebSocketKey, in: fields), Base64.isSixteenBytes(key) else {
            throw .badRequest("The Sec-WebSocket-Key header must be 16 bytes in base64, once.")
        }
        return HandshakeRequest(
            key: key, subprotocols: try subprotocols(in: fields),
            extensions: try extensions(in: fields))
    }

    /// Returns the 101 response that accepts a request.
    ///
    /// A subprotocol or an extension that wasn't offered is left out, because clients must fail on
    /// it (§4.1). Fields in `additional` are left out if they belong to the handshake, or if they
    /// frame a body, which a 101 can't have.
    package static func response(
        to request: HandshakeRequest, subprotocol: String? = nil,
        extensions: [ExtensionOffer] = [], additional: HTTPFields = [:]
    ) -> HTTPResponse {
        var fields: HTTPFields = [
            .upgrade: "websocket",
            .connection: "Upgrade",
            .secWebSocketAccept: acceptValue(forKey: request.key),
        ]
        if let subprotocol, request.subprotocols.contains(subprotocol) {
            fields[.secWebSocketProtocol] = subprotocol
        }
        let agreed = extensions.filter { agreed in
            request.extensions.contains { $0.name == agreed.name }
        }
        if !agreed.isEmpty {
            fields[.secWebSocketExtensions] = ExtensionOffer.headerValue(agreed)
        }
        fields.append(contentsOf: additional.filter { !reserved.contains($0.name) })
        return HTTPResponse(status: .switchingProtocols, headerFields: fields)
    }

    /// Returns the value of `Sec-WebSocket-Accept`, which proves that the key was read: the base64
    /// of the SHA-1 of the key and a fixed GUID (§4.2.2, 5.4).
    package static func acceptValue(forKey key: String) -> String {
        let text = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
        var digest = [UInt8](repeating: 0, count: Int(SHA_DIGEST_LENGTH))
        var context = SHA_CTX()
        unsafe SHA1_Init(&context)
        // Safety: both arrays outlive the calls, which read `text.count` bytes and write 20 bytes.
        unsafe SHA1_Update(&context, text, text.count)
        unsafe SHA1_Final(&digest, &context)
        return Base64.encode(digest)
    }

    /// The fields that belong to the handshake, or that frame a body, which neither the request nor
    /// the response has (RFC 9110 §8.6, RFC 9112 §6.1).
    static let reserved: Set<HTTPField.Name> = [
        .upgrade, .connection, .secWebSocketAccept, .secWebSocketProtocol,
        .secWebSocketExtensions, .secWebSocketVersion, .secWebSocketKey,
        .contentLength, .transferEncoding,
    ]

    /// Returns the value of a field that occurs exactly once.
    private static func single(_ name: HTTPField.Name, in fields: HTTPFields) -> String? {
        let values = fields[values: name]
        return values.count == 1 ? values[0] : nil
    }

    /// Returns the subprotocols that a request offers.
    package static func subprotocols(
        in fields: HTTPFields
    ) throws(HandshakeFault) -> [String] {
        let tokens: [String]
        do {
            tokens = try HeaderGrammar.tokens(.secWebSocketProtocol, in: fields)
        } catch {
            throw .badRequest("The Sec-WebSocket-Protocol header is malformed: \(error).")
        }
        guard Set(tokens).count == tokens.count else {
            // §4.1 (10): they "MUST all be unique strings".
            throw .badRequest("The Sec-WebSocket-Protocol header names a subprotocol twice.")
        }
        return tokens
    }

    private static func extensions(
        in fields: HTTPFields
    ) throws(HandshakeFault) -> [ExtensionOffer] {
        do {
            return try HeaderGrammar.extensions(in: fields)
        } catch {
            throw .badRequest("The Sec-WebSocket-Extensions header is malformed: \(error).")
        }
    }
}

/// A valid opening handshake, with the client's requests.
package struct HandshakeRequest: Sendable, Hashable {
    /// The value of `Sec-WebSocket-Key`: 16 bytes in base64.
    package var key: String
    /// The offered subprotocols, in the client's order of preference, without repetitions.
    package var subprotocols: [String]
    /// The offered extensions, in the client's order of preference.
    package var extensions: [ExtensionOffer]

    package init(key: String, subprotocols: [String] = [], extensions: [ExtensionOffer] = []) {
        self.key = key
        self.subprotocols = subprotocols
        self.extensions = extensions
    }
}

/// The reason for which an opening handshake is refused, with the data for the response.
package struct HandshakeFault: Error, Sendable, Hashable {
    /// The status: 400, 405 or 426 if it comes from ``OpeningHandshake/check(_:)``.
    package var status: HTTPResponse.Status
    /// A sentence for the body or the log, without anything that the client sent.
    package var detail: String
    /// The header fields that the status requires.
    package var headerFields: HTTPFields

    package init(status: HTTPResponse.Status, detail: String, headerFields: HTTPFields = [:]) {
        self.status = status
        self.detail = detail
        self.headerFields = headerFields
    }

    static func badRequest(_ detail: String) -> HandshakeFault {
        HandshakeFault(status: .badRequest, detail: detail)
    }

    static var methodNotAllowed: HandshakeFault {
        HandshakeFault(
            status: .methodNotAllowed, detail: "A WebSocket is opened by GET.",
            headerFields: [.allow: "GET"])
    }

    /// Returns a 426. It must list the protocols to upgrade to (RFC 9110 §15.5.22), and
    /// `Connection` must have `Upgrade` (§7.8).
    static func upgradeRequired(_ detail: String) -> HandshakeFault {
        HandshakeFault(
            status: .upgradeRequired, detail: detail,
            headerFields: [
                .upgrade: "websocket", .connection: "Upgrade", .secWebSocketVersion: "13",
            ])
    }
}
