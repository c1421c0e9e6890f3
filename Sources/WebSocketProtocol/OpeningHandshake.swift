internal import COpenSSL
package import HTTPTypes

/// The server's side of the opening handshake (RFC 6455 §4.2): a request to check, and the 101
/// to answer with.
///
/// It sees HTTP/1.1 requests already parsed: version, `Host`, path, body, `Origin` and
/// authentication are its caller's.
package enum OpeningHandshake {
    /// Whether the client wants to leave HTTP: it names `websocket` in `Upgrade`, or `upgrade`
    /// in `Connection`. Only ``check(_:)`` says whether it does so correctly.
    package static func isUpgradeRequest(_ request: HTTPRequest) -> Bool {
        HeaderGrammar.list(.upgrade, in: request.headerFields, contains: "websocket")
            || HeaderGrammar.list(.connection, in: request.headerFields, contains: "upgrade")
    }

    /// What the client asks for, or the response that refuses it.
    package static func check(
        _ request: HTTPRequest
    ) throws(HandshakeFault) -> HandshakeRequest {
        let fields = request.headerFields
        guard request.method == .get else { throw .methodNotAllowed }
        guard HeaderGrammar.list(.upgrade, in: fields, contains: "websocket") else {
            throw .upgradeRequired("This resource speaks WebSocket only.")
        }
        guard HeaderGrammar.list(.connection, in: fields, contains: "upgrade") else {
            throw .badRequest("The Connection header does not contain «Upgrade».")
        }
        // RFC 6455 §4.2.2 and §4.4 ask for «an appropriate error code (such as 426)» and our
        // version for one that we don't speak. A missing one could as well be the 400 of
        // §4.2.1, also a «such as»; 426 tells its author more.
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

    /// The 101 that accepts a request.
    ///
    /// A subprotocol or an extension that was not offered is left out, since a client must fail
    /// on it (§4.1). So are those of `additional` that belong to the handshake, or that frame a
    /// body, which a 101 can't have.
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

    /// The `Sec-WebSocket-Accept` that proves the key was read: base64 of the SHA-1 of the key
    /// and a fixed GUID (§4.2.2, 5.4).
    package static func acceptValue(forKey key: String) -> String {
        let text = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
        var digest = [UInt8](repeating: 0, count: Int(SHA_DIGEST_LENGTH))
        var context = SHA_CTX()
        unsafe SHA1_Init(&context)
        // Safety: both arrays outlive the calls, which read `text.count` bytes and write 20.
        unsafe SHA1_Update(&context, text, text.count)
        unsafe SHA1_Final(&digest, &context)
        return Base64.encode(digest)
    }

    /// The fields that are the handshake's own, or that frame a body, which neither side's part
    /// has (RFC 9110 §8.6, RFC 9112 §6.1).
    static let reserved: Set<HTTPField.Name> = [
        .upgrade, .connection, .secWebSocketAccept, .secWebSocketProtocol,
        .secWebSocketExtensions, .secWebSocketVersion, .secWebSocketKey,
        .contentLength, .transferEncoding,
    ]

    /// A field's value, if it came exactly once.
    private static func single(_ name: HTTPField.Name, in fields: HTTPFields) -> String? {
        let values = fields[values: name]
        return values.count == 1 ? values[0] : nil
    }

    /// The subprotocols that a request offers.
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
            // §4.1 (10): they «MUST all be unique strings».
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

/// What a correct opening handshake asked for.
package struct HandshakeRequest: Sendable, Hashable {
    /// `Sec-WebSocket-Key`: 16 bytes in base64.
    package var key: String
    /// The offered subprotocols, in the client's order of preference; each is there once.
    package var subprotocols: [String]
    /// The offered extensions, in the client's order of preference.
    package var extensions: [ExtensionOffer]

    package init(key: String, subprotocols: [String] = [], extensions: [ExtensionOffer] = []) {
        self.key = key
        self.subprotocols = subprotocols
        self.extensions = extensions
    }
}

/// Why an opening handshake is refused, with what the response needs.
package struct HandshakeFault: Error, Sendable, Hashable {
    /// 400, 405 or 426 when it comes from ``OpeningHandshake/check(_:)``.
    package var status: HTTPResponse.Status
    /// One sentence for the body or the log; it holds nothing the client sent.
    package var detail: String
    /// Fields that the status demands.
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

    /// A 426 must name what to upgrade to (RFC 9110 §15.5.22), and `Upgrade` must be named in
    /// `Connection` (§7.8).
    static func upgradeRequired(_ detail: String) -> HandshakeFault {
        HandshakeFault(
            status: .upgradeRequired, detail: detail,
            headerFields: [
                .upgrade: "websocket", .connection: "Upgrade", .secWebSocketVersion: "13",
            ])
    }
}
