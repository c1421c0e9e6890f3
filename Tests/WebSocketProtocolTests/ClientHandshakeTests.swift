import HTTPTypes
import Testing
import WebSocketProtocol

@Suite struct ClientHandshakeTests {
    static let handshake = ClientHandshake(
        nonce: Array("the sample nonce".utf8), subprotocols: ["chat", "superchat"],
        extensions: [
            ExtensionOffer(
                name: "permessage-deflate", parameters: [.init(name: "client_max_window_bits")])
        ])

    /// The response of RFC 6455 §1.3.
    private func response(_ change: (inout HTTPResponse) -> Void = { _ in }) -> HTTPResponse {
        var response = HTTPResponse(
            status: .switchingProtocols,
            headerFields: [
                .upgrade: "websocket", .connection: "Upgrade",
                .secWebSocketAccept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                .secWebSocketProtocol: "chat",
            ])
        change(&response)
        return response
    }

    private func fault(_ change: (inout HTTPResponse) -> Void) -> ClientHandshakeFault? {
        do {
            _ = try Self.handshake.check(response(change))
            return nil
        } catch {
            return error
        }
    }

    @Test("The request is that of RFC 6455 §1.3, and a server accepts it")
    func request() throws {
        let request = Self.handshake.request(
            authority: "server.example.com", path: "/chat",
            additional: [.origin: "http://example.com", .upgrade: "h2c"])
        #expect(request.method == .get && request.path == "/chat")
        #expect(request.scheme == "http" && request.authority == "server.example.com")
        #expect(request.headerFields[.secWebSocketKey] == "dGhlIHNhbXBsZSBub25jZQ==")
        #expect(request.headerFields[.origin] == "http://example.com")
        #expect(request.headerFields[.upgrade] == "websocket")
        let checked = try OpeningHandshake.check(request)
        #expect(checked.subprotocols == Self.handshake.subprotocols)
        #expect(checked.extensions == Self.handshake.extensions)
    }

    @Test("Any sixteen bytes are a key that a server accepts")
    func keys() throws {
        for byte in UInt8.min...UInt8.max {
            let nonce = (0..<16).map { UInt8(truncatingIfNeeded: $0 * 37) ^ byte }
            let handshake = ClientHandshake(nonce: nonce)
            let request = handshake.request(authority: "a", path: "/")
            #expect(request.headerFields[.secWebSocketProtocol] == nil)
            #expect(request.headerFields[.secWebSocketExtensions] == nil)
            let checked = try OpeningHandshake.check(request)
            let agreement = try handshake.check(OpeningHandshake.response(to: checked))
            #expect(agreement == HandshakeAgreement())
        }
    }

    @Test("The example's response is accepted")
    func example() throws {
        let agreement = try Self.handshake.check(response())
        #expect(agreement == HandshakeAgreement(subprotocol: "chat"))
    }

    @Test("Negotiated extensions are returned with their parameters")
    func extensions() throws {
        let agreed = ExtensionOffer(
            name: "permessage-deflate",
            parameters: [.init(name: "client_max_window_bits", value: "12")])
        let agreement = try Self.handshake.check(
            response { $0.headerFields[.secWebSocketExtensions] = agreed.headerValue })
        #expect(agreement.extensions == [agreed])
    }

    @Test(
        "Empty lists in a response are ignored",
        arguments: [[""], [" "], [","], [" , ,"], ["", ""]])
    func emptyLists(values: [String]) throws {
        let agreement = try Self.handshake.check(
            response {
                $0.headerFields[values: .secWebSocketProtocol] = values
                $0.headerFields[values: .secWebSocketExtensions] = values
            })
        #expect(agreement == HandshakeAgreement())
    }

    @Test("Another status is reported", arguments: [200, 301, 401, 426, 503])
    func status(code: Int) {
        #expect(fault { $0.status = .init(code: code) } == .status(code: code))
    }

    @Test("Upgrade must be websocket only", arguments: [nil, "", "h2c", "websocket, h2c"])
    func upgrade(value: String?) {
        #expect(fault { $0.headerFields[.upgrade] = value } == .upgradeInvalid)
        #expect(fault { $0.headerFields[.upgrade] = "WebSocket" } == nil)
    }

    @Test("Connection must contain Upgrade", arguments: [nil, "", "close", "keep-alive"])
    func connection(value: String?) {
        #expect(fault { $0.headerFields[.connection] = value } == .connectionInvalid)
        #expect(fault { $0.headerFields[.connection] = "keep-alive, upgrade" } == nil)
    }

    @Test(
        "The accept value must be the one for the key, and occur once",
        arguments: [
            [], [""], ["s3pPLMBiTxaQ9kYGzzhZRbK+xOO="], ["S3PPLMBITXAQ9KYGZZHZRBK+XOO="],
            ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
        ])
    func accept(values: [String]) {
        #expect(fault { $0.headerFields[values: .secWebSocketAccept] = values } == .acceptInvalid)
    }

    @Test(
        "A subprotocol that wasn't offered, or more than one, fails",
        arguments: [
            ["other"], ["Chat"], ["chat, superchat"], ["chat", "superchat"], ["chat, chat"],
            ["@"], ["chat;a"], ["chat\u{301}"],
        ])
    func subprotocol(values: [String]) {
        #expect(
            fault { $0.headerFields[values: .secWebSocketProtocol] = values }
                == .subprotocolNotOffered)
    }

    @Test("A server may choose no subprotocol, although some were offered")
    func noSubprotocol() throws {
        let agreement = try Self.handshake.check(
            response { $0.headerFields[.secWebSocketProtocol] = nil })
        #expect(agreement.subprotocol == nil)
    }

    @Test("An extension that wasn't offered, or is malformed, fails")
    func badExtensions() {
        #expect(
            fault { $0.headerFields[.secWebSocketExtensions] = "permessage-deflate, foo" }
                == .extensionNotOffered("foo"))
        #expect(
            fault { $0.headerFields[.secWebSocketExtensions] = "permessage-deflate;" }
                == .extensionsMalformed(.tokenExpected))
    }
}
