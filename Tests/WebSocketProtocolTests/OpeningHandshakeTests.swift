import HTTPTypes
import Testing
import WebSocketProtocol

@Suite struct OpeningHandshakeTests {
    /// The request of RFC 6455 §1.3.
    static func request(_ change: (inout HTTPRequest) -> Void = { _ in }) -> HTTPRequest {
        var request = HTTPRequest(
            method: .get, scheme: "http", authority: "server.example.com", path: "/chat",
            headerFields: [
                .upgrade: "websocket", .connection: "Upgrade",
                .secWebSocketKey: "dGhlIHNhbXBsZSBub25jZQ==", .origin: "http://example.com",
                .secWebSocketProtocol: "chat, superchat", .secWebSocketVersion: "13",
            ])
        change(&request)
        return request
    }

    private func refusal(of request: HTTPRequest) -> HandshakeFault? {
        do {
            _ = try OpeningHandshake.check(request)
            return nil
        } catch {
            return error
        }
    }

    @Test("The example of RFC 6455 §1.3 is accepted")
    func example() throws {
        let checked = try OpeningHandshake.check(Self.request())
        #expect(
            checked
                == HandshakeRequest(
                    key: "dGhlIHNhbXBsZSBub25jZQ==", subprotocols: ["chat", "superchat"]))
        let response = OpeningHandshake.response(to: checked, subprotocol: "chat")
        #expect(response.status == 101)
        #expect(
            response.headerFields == [
                .upgrade: "websocket", .connection: "Upgrade",
                .secWebSocketAccept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                .secWebSocketProtocol: "chat",
            ])
    }

    @Test(
        "The accept value equals that of other implementations",
        arguments: [
            ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
            ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
        ])
    func acceptValue(key: String, accept: String) {
        #expect(OpeningHandshake.acceptValue(forKey: key) == accept)
    }

    @Test(
        "Any method but GET is 405, with the allowed ones",
        arguments: [.post, .head, .put, .options, .connect] as [HTTPRequest.Method])
    func method(method: HTTPRequest.Method) throws {
        let fault = try #require(refusal(of: Self.request { $0.method = method }))
        #expect(fault.status == 405)
        #expect(fault.headerFields == [.allow: "GET"])
    }

    @Test(
        "Without an upgrade to WebSocket it is 426, with the protocol to upgrade to",
        arguments: [nil, "", "h2c", "websockets", "websocket/13"])
    func upgrade(value: String?) throws {
        let fault = try #require(refusal(of: Self.request { $0.headerFields[.upgrade] = value }))
        #expect(fault.status == 426)
        #expect(fault.headerFields[.upgrade] == "websocket")
        #expect(fault.headerFields[.connection] == "Upgrade")
        #expect(fault.headerFields[.secWebSocketVersion] == "13")
    }

    @Test(
        "Without Upgrade in Connection it is 400",
        arguments: [nil, "", "keep-alive", "close", "upgraded"])
    func connection(value: String?) throws {
        let fault = try #require(refusal(of: Self.request { $0.headerFields[.connection] = value }))
        #expect(fault.status == 400)
        #expect(fault.detail.contains("Connection"))
    }

    @Test(
        "Any version but a single 13 is 426, with the supported version",
        arguments: [[], [""], ["8"], ["14"], ["013"], ["13, 8"], ["13", "13"], ["x"]])
    func version(values: [String]) throws {
        let request = Self.request { $0.headerFields[values: .secWebSocketVersion] = values }
        let fault = try #require(refusal(of: request))
        #expect(fault.status == 426)
        #expect(fault.headerFields[.secWebSocketVersion] == "13")
    }

    @Test(
        "A key that is missing, repeated or not 16 bytes in base64 is 400",
        arguments: [
            [], [""], ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="],
            ["dGhlIHNhbXBsZSBub25jZQ"], ["dGhlIHNhbXBsZSBub25jZQ=A"],
            ["dGhlIHNhbXBsZSBub25jZQAA"], ["dGhlIHNhbXBsZSBub25jZQA="], ["dGhlIHNhbXBsZSBub25j"],
            ["dGhlIHNhbXBsZSBub25jZSAhISE="], ["dGhlIHNhbXBs-SBub25jZQ=="],
            ["dGhlIHNhbXBs SBub25jZQ=="], ["dGhlIHNhbXBs=SBub25jZQ=="], ["éééééééééééQ=="],
        ])
    func key(values: [String]) throws {
        let request = Self.request { $0.headerFields[values: .secWebSocketKey] = values }
        let fault = try #require(refusal(of: request))
        #expect(fault.status == 400)
        #expect(fault.detail.contains("Sec-WebSocket-Key"))
    }

    @Test(
        "Bits after the sixteenth byte of a key are ignored (RFC 6455 §4.1, websockets/ws#1560)",
        arguments: [
            "AQIDBAUGBwgJCgsMDQ4PEC==", "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25jZf==",
            "//////////////////////==", "++++++++++++++++++++++==",
        ])
    func trailingBits(key: String) throws {
        let checked = try OpeningHandshake.check(
            Self.request { $0.headerFields[.secWebSocketKey] = key })
        // The accept value is computed from the text of the key (§4.2.2, 5.4), so the text is kept
        // unchanged.
        #expect(checked.key == key)
    }

    @Test(
        "Malformed or repeated subprotocols are 400",
        arguments: [["a b"], ["a;b"], ["\"a\""], ["a, a"], ["a", "a"], ["a,é"]])
    func malformedSubprotocols(values: [String]) throws {
        let request = Self.request { $0.headerFields[values: .secWebSocketProtocol] = values }
        let fault = try #require(refusal(of: request))
        #expect(fault.status == 400)
        #expect(fault.detail.contains("Sec-WebSocket-Protocol"))
    }

    @Test(
        "An empty subprotocol header counts as missing",
        arguments: [[], [""], [" "], [","], ["", ""]])
    func emptySubprotocols(values: [String]) throws {
        let request = Self.request { $0.headerFields[values: .secWebSocketProtocol] = values }
        #expect(try OpeningHandshake.check(request).subprotocols == [])
    }

    @Test(
        "An empty extensions header counts as missing (PocketSocket#52)",
        arguments: [[], [""], [" "], [","], [" , ,"], ["", ""], [",", "\t"]])
    func emptyExtensions(values: [String]) throws {
        let request = Self.request { $0.headerFields[values: .secWebSocketExtensions] = values }
        #expect(try OpeningHandshake.check(request).extensions == [])
    }

    @Test("Malformed extensions are 400", arguments: [";", "a b", "a;", "a;b=\"", "a;b=\"c d\""])
    func malformedExtensions(value: String) throws {
        let request = Self.request { $0.headerFields[.secWebSocketExtensions] = value }
        let fault = try #require(refusal(of: request))
        #expect(fault.status == 400)
        #expect(fault.detail.contains("Sec-WebSocket-Extensions"))
    }

    @Test(
        "Requests of browsers, proxies and unusual clients are accepted",
        arguments: [
            (["websocket"], ["keep-alive, Upgrade"]), (["WebSocket"], ["upgrade"]),
            (["WEBSOCKET"], ["keep-alive", "UPGRADE"]), (["h2c, websocket"], ["Upgrade , HTTP2"]),
            (["h2c", "websocket"], [",Upgrade"]),
        ] as [([String], [String])])
    func variants(upgrade: [String], connection: [String]) throws {
        let request = Self.request {
            $0.headerFields[values: .upgrade] = upgrade
            $0.headerFields[values: .connection] = connection
            $0.headerFields[values: .secWebSocketProtocol] = ["chat", "superchat"]
            $0.headerFields[.secWebSocketExtensions] = "permessage-deflate; client_max_window_bits"
        }
        let checked = try OpeningHandshake.check(request)
        #expect(checked.subprotocols == ["chat", "superchat"])
        #expect(checked.extensions.map(\.name) == ["permessage-deflate"])
        #expect(OpeningHandshake.isUpgradeRequest(request))
    }

    @Test(
        "A request that names websocket or upgrade is an upgrade request, valid or not",
        arguments: [
            ("websocket", "Upgrade", true), ("websocket", nil, true), (nil, "upgrade", true),
            ("h2c", "close, Upgrade", true), ("h2c", nil, false), (nil, "keep-alive", false),
            (nil, nil, false),
        ] as [(String?, String?, Bool)])
    func isUpgrade(upgrade: String?, connection: String?, expected: Bool) {
        let request = Self.request {
            $0.headerFields[.upgrade] = upgrade
            $0.headerFields[.connection] = connection
        }
        #expect(OpeningHandshake.isUpgradeRequest(request) == expected)
    }

    @Test("A response has only what was offered, and no field that a 101 can't have")
    func response() {
        let request = HandshakeRequest(
            key: "dGhlIHNhbXBsZSBub25jZQ==", subprotocols: ["chat"],
            extensions: [ExtensionOffer(name: "permessage-deflate")])
        let agreed = ExtensionOffer(
            name: "permessage-deflate", parameters: [.init(name: "client_no_context_takeover")])
        let response = OpeningHandshake.response(
            to: request, subprotocol: "other", extensions: [ExtensionOffer(name: "x"), agreed],
            additional: [
                .setCookie: "a=1", .setCookie: "b=2", .server: "apus", .contentLength: "0",
                .transferEncoding: "chunked", .upgrade: "h2c", .connection: "close",
                .secWebSocketProtocol: "other", .secWebSocketAccept: "no",
            ])
        #expect(
            response.headerFields == [
                .upgrade: "websocket", .connection: "Upgrade",
                .secWebSocketAccept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                .secWebSocketExtensions: "permessage-deflate; client_no_context_takeover",
                .setCookie: "a=1", .setCookie: "b=2", .server: "apus",
            ])
    }

    @Test(
        "The server's order decides on the subprotocol, and case matters",
        arguments: [
            (["a", "b"], ["b", "a"], "b"), (["a", "b"], ["c", "a"], "a"), (["a"], ["A"], nil),
            ([], ["a"], nil), (["a"], [], nil),
        ] as [([String], [String], String?)])
    func selection(offered: [String], supported: [String], chosen: String?) {
        #expect(SubprotocolSelection.choose(offered: offered, supported: supported) == chosen)
    }
}
