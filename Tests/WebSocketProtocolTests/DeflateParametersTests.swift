import HTTPTypes
import Testing
import WebSocketProtocol

/// Returns the extensions of a header line as the handshake parses them.
private func extensions(_ line: String) throws -> [ExtensionOffer] {
    try HeaderGrammar.extensions(in: [.secWebSocketExtensions: line])
}

/// Returns the answer to a line of offers; `nil` if all are declined.
private func answer(to line: String, _ policy: DeflatePolicy = .eager) throws -> String? {
    DeflateParameters.accept(try extensions(line), policy: policy)?.response.headerValue
}

extension DeflatePolicy {
    /// A policy without requirements, so that responses show the effect of the offer alone.
    fileprivate static let eager = DeflatePolicy(
        serverWindowBits: 15, server: .allowed, client: .allowed)
}

@Suite("A server negotiates permessage-deflate") struct DeflateAcceptTests {
    @Test(
        "The answer contains what an offer requires, and nothing unknown to the client",
        arguments: [
            ("", ""), ("server_no_context_takeover", "server_no_context_takeover"),
            ("client_no_context_takeover", "client_no_context_takeover"),
            (
                "client_no_context_takeover; server_no_context_takeover",
                "server_no_context_takeover; client_no_context_takeover"
            ),
            ("server_max_window_bits=9", "server_max_window_bits=9"),
            ("server_max_window_bits=15", "server_max_window_bits=15"),
            ("server_max_window_bits=\"10\"", "server_max_window_bits=10"),
            ("client_max_window_bits", ""), ("client_max_window_bits=15", ""),
            ("client_max_window_bits=8", "client_max_window_bits=8"),
            ("client_max_window_bits=\"12\"", "client_max_window_bits=12"),
            ("client_max_window_bits=\"1\\2\"", "client_max_window_bits=12"),
            (
                "client_max_window_bits=9; server_max_window_bits=10; server_no_context_takeover",
                "server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9"
            ),
        ])
    func accepted(offer: String, response: String) throws {
        let prefix = { $0.isEmpty ? "permessage-deflate" : "permessage-deflate; " + $0 }
        #expect(try answer(to: prefix(offer)) == prefix(response))
    }

    @Test(
        "An offer with an unknown, repeated or malformed parameter is declined (§7.1)",
        arguments: [
            "x", "x=1", "server_max_window_bits=10; x", "Server_No_Context_Takeover",
            "no_context_takeover", "max_window_bits=10", "server_max_window_bits",
            "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=0",
            "server_max_window_bits=08", "server_max_window_bits=\"09\"",
            "server_max_window_bits=010", "server_max_window_bits=+9",
            "server_max_window_bits=-9", "server_max_window_bits=9.0",
            "server_max_window_bits=0x9", "server_max_window_bits=1e1",
            "server_max_window_bits=99999999999999999999999", "server_max_window_bits=true",
            "client_max_window_bits=7", "client_max_window_bits=16", "client_max_window_bits=08",
            "client_max_window_bits=+10", "client_max_window_bits=x",
            "client_max_window_bits=18446744073709551624", "server_no_context_takeover=true",
            "server_no_context_takeover=1", "client_no_context_takeover=\"1\"",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; x; client_no_context_takeover",
            "server_max_window_bits=10; server_max_window_bits=10",
            "client_max_window_bits; client_max_window_bits",
            "client_max_window_bits; client_max_window_bits=10",
        ])
    func declined(parameters: String) throws {
        #expect(try answer(to: "permessage-deflate; " + parameters) == nil)
        // The connection and the next offer aren't affected.
        #expect(
            try answer(to: "permessage-deflate; \(parameters), permessage-deflate")
                == "permessage-deflate")
    }

    @Test("A window of 8 bits for the server is declined, because zlib can't compress with it")
    func eight() throws {
        let eight = "permessage-deflate; server_max_window_bits=8"
        #expect(try answer(to: eight) == nil)
        #expect(try answer(to: eight + ", permessage-deflate") == "permessage-deflate")
        #expect(
            try answer(to: eight + ", permessage-deflate; server_max_window_bits=9")
                == "permessage-deflate; server_max_window_bits=9")
    }

    @Test(
        "Of several offers the first acceptable one is accepted",
        arguments: [
            ("", nil), ("x-webkit-deflate-frame", nil), ("PerMessage-Deflate", nil),
            ("permessage-bzip2, permessage-deflate", "permessage-deflate"),
            (
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10, "
                    + "permessage-deflate; client_max_window_bits",
                "permessage-deflate; server_max_window_bits=10"
            ),
            (
                "permessage-deflate; x, permessage-deflate; server_max_window_bits=8, "
                    + "permessage-deflate; server_no_context_takeover, permessage-deflate",
                "permessage-deflate; server_no_context_takeover"
            ),
            ("permessage-deflate; x, permessage-deflate; y", nil),
            (
                "permessage-deflate, permessage-deflate; server_no_context_takeover",
                "permessage-deflate"
            ),
        ] as [(String, String?)])
    func fallbacks(offers: String, response: String?) throws {
        let offers = offers.isEmpty ? [] : try extensions(offers)
        let accepted = DeflateParameters.accept(offers, policy: .eager)
        #expect(accepted?.response.headerValue == response)
    }

    @Test(
        "The server's window is the smaller of offer and policy, and named only if offered",
        arguments: 9...15)
    func serverWindow(wanted: Int) throws {
        let policy = DeflatePolicy(serverWindowBits: wanted, server: .allowed, client: .allowed)
        for bits in 9...15 {
            let line = "permessage-deflate; server_max_window_bits=\(bits)"
            let accepted = DeflateParameters.accept(try extensions(line), policy: policy)
            #expect(
                accepted?.response.headerValue
                    == "permessage-deflate; server_max_window_bits=\(min(bits, wanted))")
            #expect(accepted?.parameters.serverMaxWindowBits == min(bits, wanted))
        }
        let silent = DeflateParameters.accept(try extensions("permessage-deflate"), policy: policy)
        #expect(silent?.response.headerValue == "permessage-deflate")
        #expect(silent?.parameters.serverMaxWindowBits == 15)
        #expect(silent?.parameters.deflateWindowBits(as: .server, atMost: wanted) == wanted)
    }

    @Test(
        "The client's window is limited only if it offers that, and never above its own limit",
        arguments: [
            (8, "", nil), (8, "; client_max_window_bits", 8),
            (8, "; client_max_window_bits=10", 8), (12, "; client_max_window_bits", 12),
            (12, "; client_max_window_bits=10", 10), (12, "; client_max_window_bits=12", 12),
            (12, "; client_max_window_bits=15", 12), (15, "; client_max_window_bits=14", 14),
            (15, "; client_max_window_bits", nil),
        ] as [(Int, String, Int?)])
    func clientWindow(wish: Int, offer: String, answered: Int?) throws {
        let accepted = DeflateParameters.accept(
            try extensions("permessage-deflate" + offer),
            policy: DeflatePolicy(clientWindowBits: wish, server: .allowed, client: .allowed))
        let response = answered.map { "; client_max_window_bits=\($0)" } ?? ""
        #expect(accepted?.response.headerValue == "permessage-deflate" + response)
        #expect(accepted?.parameters.clientMaxWindowBits == answered ?? 15)
        #expect(accepted?.parameters.inflateWindowBits(as: .server) == answered ?? 15)
    }

    @Test("A policy without takeover is announced to every client, by default in both directions")
    func takeover() throws {
        let (server, client) = ("; server_no_context_takeover", "; client_no_context_takeover")
        let name = "permessage-deflate"
        #expect(try answer(to: name, DeflatePolicy()) == name + server + client)
        #expect(try answer(to: name, DeflatePolicy(server: .allowed)) == name + client)
        #expect(try answer(to: name, DeflatePolicy(client: .allowed)) == name + server)
        #expect(
            try answer(to: name + client + server, DeflatePolicy()) == name + server + client)
    }

    @Test("The offers of real clients are accepted by default, in a form that they accept")
    func manners() throws {
        // Browsers, `ws`, `websockets` and most others: no window bits unless they were offered.
        let none = "; server_no_context_takeover; client_no_context_takeover"
        #expect(
            try answer(to: "permessage-deflate; client_max_window_bits", DeflatePolicy())
                == "permessage-deflate" + none)
        // Gorilla: both flags, echoed whatever the policy. nhooyr: no server_max_window_bits.
        #expect(try answer(to: "permessage-deflate" + none) == "permessage-deflate" + none)
    }
}

@Suite("Negotiated parameters determine what each role does") struct DeflateParametersTests {
    @Test("The compressor's window is at most the negotiated one; without one if zlib lacks it")
    func windows() {
        let parameters = DeflateParameters(serverMaxWindowBits: 11, clientMaxWindowBits: 8)
        #expect(parameters.deflateWindowBits(as: .server) == 11)
        #expect(parameters.deflateWindowBits(as: .server, atMost: 12) == 11)
        #expect(parameters.deflateWindowBits(as: .server, atMost: 9) == 9)
        #expect(parameters.deflateWindowBits(as: .client) == nil)
        #expect(parameters.inflateWindowBits(as: .server) == 8)
        #expect(parameters.inflateWindowBits(as: .client) == 11)
    }

    @Test("One side's decompressor keeps its context if the other's compressor may")
    func contexts() {
        let parameters = DeflateParameters(serverNoContextTakeover: true)
        #expect(!parameters.deflateMayKeepContext(as: .server))
        #expect(!parameters.inflateMustKeepContext(as: .client))
        #expect(parameters.deflateMayKeepContext(as: .client))
        #expect(parameters.inflateMustKeepContext(as: .server))
    }
}
