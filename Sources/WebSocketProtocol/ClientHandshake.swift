package import HTTPTypes

/// The client's side of the opening handshake (RFC 6455 §4.1): the request, and the check of the
/// response.
package struct ClientHandshake: Sendable, Hashable {
    /// The value of `Sec-WebSocket-Key`.
    package let key: String
    /// The offered subprotocols, in order of preference.
    package let subprotocols: [String]
    /// The offered extensions, in order of preference.
    package let extensions: [ExtensionOffer]

    /// Creates a handshake.
    ///
    /// - Parameter nonce: Exactly 16 random bytes, new for each connection.
    package init(
        nonce: [UInt8], subprotocols: [String] = [], extensions: [ExtensionOffer] = []
    ) {
        precondition(nonce.count == 16, "RFC 6455 §4.1 (7): the nonce has 16 bytes")
        assert(subprotocols.allSatisfy(HeaderGrammar.isToken))
        key = Base64.encode(nonce)
        self.subprotocols = subprotocols
        self.extensions = extensions
    }

    /// Returns the request to send. `additional` is for fields such as `Origin` and
    /// `Authorization`; fields of the handshake itself are ignored in it.
    package func request(
        authority: String, path: String, scheme: String = "http", additional: HTTPFields = [:]
    ) -> HTTPRequest {
        var fields: HTTPFields = [
            .upgrade: "websocket",
            .connection: "Upgrade",
            .secWebSocketKey: key,
            .secWebSocketVersion: "13",
        ]
        if !subprotocols.isEmpty {
            fields[.secWebSocketProtocol] = subprotocols.joined(separator: ", ")
        }
        if !extensions.isEmpty {
            fields[.secWebSocketExtensions] = ExtensionOffer.headerValue(extensions)
        }
        fields.append(
            contentsOf: additional.filter { !OpeningHandshake.reserved.contains($0.name) })
        return HTTPRequest(
            method: .get, scheme: scheme, authority: authority, path: path, headerFields: fields)
    }

    /// Checks the response. Returns the negotiated result, or throws the reason to fail the
    /// connection.
    ///
    /// The extension itself must check its negotiated parameters.
    package func check(
        _ response: HTTPResponse
    ) throws(ClientHandshakeFault) -> HandshakeAgreement {
        let fields = response.headerFields
        guard response.status == .switchingProtocols else {
            throw .status(code: response.status.code)
        }
        guard let upgrade = fields[.upgrade], upgrade.utf8[...].equalsIgnoringCase("websocket")
        else { throw .upgradeInvalid }
        guard HeaderGrammar.list(.connection, in: fields, contains: "upgrade") else {
            throw .connectionInvalid
        }
        let accept = OpeningHandshake.acceptValue(forKey: key)
        guard fields[.secWebSocketAccept]?.utf8.elementsEqual(accept.utf8) == true else {
            throw .acceptInvalid
        }
        return HandshakeAgreement(
            subprotocol: try agreedSubprotocol(in: fields),
            extensions: try agreedExtensions(in: fields))
    }

    private func agreedSubprotocol(
        in fields: HTTPFields
    ) throws(ClientHandshakeFault) -> String? {
        guard let tokens = try? HeaderGrammar.tokens(.secWebSocketProtocol, in: fields) else {
            throw .subprotocolNotOffered
        }
        // Some servers send an empty field if they choose no subprotocol (§4.1 (6)).
        guard let subprotocol = tokens.first else { return nil }
        guard tokens.count == 1,
            subprotocols.contains(where: { $0.utf8.elementsEqual(subprotocol.utf8) })
        else {
            throw .subprotocolNotOffered
        }
        return subprotocol
    }

    private func agreedExtensions(
        in fields: HTTPFields
    ) throws(ClientHandshakeFault) -> [ExtensionOffer] {
        let agreed: [ExtensionOffer]
        do {
            agreed = try HeaderGrammar.extensions(in: fields)
        } catch {
            throw .extensionsMalformed(error)
        }
        for agreed in agreed where !extensions.contains(where: { $0.name == agreed.name }) {
            throw .extensionNotOffered(agreed.name)
        }
        return agreed
    }
}

/// The outcome of an opening handshake.
package struct HandshakeAgreement: Sendable, Hashable {
    package var subprotocol: String?
    /// The negotiated extensions, in the order in which they apply to outgoing data (RFC 6455
    /// §9.1).
    package var extensions: [ExtensionOffer]

    package init(subprotocol: String? = nil, extensions: [ExtensionOffer] = []) {
        self.subprotocol = subprotocol
        self.extensions = extensions
    }
}

/// The reason for which a client fails the opening handshake (RFC 6455 §4.1, the list at its end).
package enum ClientHandshakeFault: Error, Sendable, Hashable {
    /// The status isn't 101: the response is an ordinary HTTP response.
    case status(code: Int)
    /// `Upgrade` is missing, repeated, or isn't `websocket`.
    case upgradeInvalid
    /// `Connection` is missing, or doesn't contain `Upgrade`.
    case connectionInvalid
    /// `Sec-WebSocket-Accept` is missing, repeated, or doesn't match our key.
    case acceptInvalid
    /// `Sec-WebSocket-Protocol` isn't exactly one of the offered subprotocols.
    case subprotocolNotOffered
    /// `Sec-WebSocket-Extensions` is malformed.
    case extensionsMalformed(HeaderGrammarFault)
    /// The parameters of permessage-deflate don't match the offer.
    case deflate(DeflateFault)
    /// The server negotiated an extension that wasn't offered.
    case extensionNotOffered(String)
}
