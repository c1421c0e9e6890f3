package import HTTPTypes

/// The client's side of the opening handshake (RFC 6455 §4.1): the request to send, and the
/// check of what comes back.
package struct ClientHandshake: Sendable, Hashable {
    /// `Sec-WebSocket-Key`.
    package let key: String
    /// Offered, in order of preference.
    package let subprotocols: [String]
    /// Offered, in order of preference.
    package let extensions: [ExtensionOffer]

    /// - Parameter nonce: exactly 16 random bytes, new for each connection.
    package init(
        nonce: [UInt8], subprotocols: [String] = [], extensions: [ExtensionOffer] = []
    ) {
        precondition(nonce.count == 16, "RFC 6455 §4.1 (7): the nonce has 16 bytes")
        assert(subprotocols.allSatisfy(HeaderGrammar.isToken))
        key = Base64.encode(nonce)
        self.subprotocols = subprotocols
        self.extensions = extensions
    }

    /// The request to send. `additional` is for `Origin`, `Authorization` and the like; the
    /// handshake's own fields are left out of it.
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

    /// What the server agreed to, or the reason to fail the connection.
    ///
    /// That an agreed extension's *parameters* answer the offer is for the extension to check.
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
        // Some servers that choose none send the field empty: it names no subprotocol (§4.1 (6)).
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

/// What both sides agreed on in the opening handshake.
package struct HandshakeAgreement: Sendable, Hashable {
    package var subprotocol: String?
    /// In the order in which they apply to outgoing data (RFC 6455 §9.1).
    package var extensions: [ExtensionOffer]

    package init(subprotocol: String? = nil, extensions: [ExtensionOffer] = []) {
        self.subprotocol = subprotocol
        self.extensions = extensions
    }
}

/// Why a client fails the opening handshake (RFC 6455 §4.1, the list at its end).
package enum ClientHandshakeFault: Error, Sendable, Hashable {
    /// Not 101: the server's answer is an HTTP response like any other.
    case status(code: Int)
    /// `Upgrade` is missing, repeated, or not `websocket`.
    case upgradeInvalid
    /// `Connection` is missing, or does not name `Upgrade`.
    case connectionInvalid
    /// `Sec-WebSocket-Accept` is missing, repeated, or not for our key.
    case acceptInvalid
    /// `Sec-WebSocket-Protocol` is not exactly one of those we offered.
    case subprotocolNotOffered
    /// `Sec-WebSocket-Extensions` does not parse.
    case extensionsMalformed(HeaderGrammarFault)
    /// permessage-deflate's parameters don't answer the offer.
    case deflate(DeflateFault)
    /// An extension that we did not offer.
    case extensionNotOffered(String)
}
