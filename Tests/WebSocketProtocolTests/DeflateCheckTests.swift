import HTTPTypes
import Testing
import WebSocketProtocol

@Suite("A client negotiates permessage-deflate") struct DeflateCheckTests {
    private func extensions(_ line: String) throws -> [ExtensionOffer] {
        try HeaderGrammar.extensions(in: [.secWebSocketExtensions: line])
    }

    private func check(_ line: String, offered: String) throws -> DeflateParameters? {
        let offered = try #require(try extensions(offered).first)
        return try DeflateParameters.check(response: try extensions(line), offered: offered)
    }

    @Test("An offer contains the client's wishes")
    func offer() {
        let full = DeflateParameters.offer(
            serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 8,
            clientMaxWindowBits: 9)
        #expect(
            DeflateParameters.offer().headerValue == "permessage-deflate; client_max_window_bits")
        #expect(
            DeflateParameters.offer(clientMaxWindowBits: nil).headerValue == "permessage-deflate")
        #expect(
            full.headerValue
                == "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                + "server_max_window_bits=8; client_max_window_bits=9")
    }

    @Test("A response without the extension negotiates nothing")
    func absent() throws {
        let offered = DeflateParameters.offer()
        #expect(try DeflateParameters.check(response: [], offered: offered) == nil)
        #expect(try check("foo; x=1", offered: "permessage-deflate") == nil)
    }

    @Test(
        "A response that answers the offer is accepted",
        arguments: [
            ("", "", DeflateParameters()), ("; client_max_window_bits", "", DeflateParameters()),
            // A server may limit itself without being asked.
            (
                "", "; server_no_context_takeover; server_max_window_bits=8",
                DeflateParameters(serverNoContextTakeover: true, serverMaxWindowBits: 8)
            ),
            // It may always disable the client's context takeover.
            (
                "", "; client_no_context_takeover",
                DeflateParameters(clientNoContextTakeover: true)
            ),
            // The offered limit applies even if it isn't answered, or with a greater value.
            (
                "; client_no_context_takeover; client_max_window_bits=10", "",
                DeflateParameters(clientNoContextTakeover: true, clientMaxWindowBits: 10)
            ),
            (
                "; client_max_window_bits=10", "; client_max_window_bits=12",
                DeflateParameters(clientMaxWindowBits: 10)
            ),
            (
                "; client_max_window_bits=12", "; client_max_window_bits=\"10\"",
                DeflateParameters(clientMaxWindowBits: 10)
            ),
            (
                "; client_max_window_bits", "; client_max_window_bits=8",
                DeflateParameters(clientMaxWindowBits: 8)
            ),
            (
                "; server_max_window_bits=12; server_no_context_takeover",
                "; server_no_context_takeover; server_max_window_bits=12",
                DeflateParameters(serverNoContextTakeover: true, serverMaxWindowBits: 12)
            ),
            (
                "; server_max_window_bits=12", "; server_max_window_bits=9",
                DeflateParameters(serverMaxWindowBits: 9)
            ),
        ])
    func agreed(offer: String, response: String, parameters: DeflateParameters) throws {
        let name = "permessage-deflate"
        #expect(try check(name + response, offered: name + offer) == parameters)
    }

    @Test(
        "A response that violates a rule fails the connection",
        arguments: [
            ("", ", permessage-deflate", .agreedTwice),
            ("", ", foo, permessage-deflate", .agreedTwice),
            ("", "; x", .unknown("x")), ("", "; x=1", .unknown("x")),
            (
                "", "; server_no_context_takeover; server_no_context_takeover",
                .repeated(.serverNoContextTakeover)
            ),
            (
                "; client_max_window_bits",
                "; client_max_window_bits=9; client_max_window_bits=9",
                .repeated(.clientMaxWindowBits)
            ),
            ("", "; server_no_context_takeover=1", .invalidValue(.serverNoContextTakeover)),
            ("", "; client_no_context_takeover=1", .invalidValue(.clientNoContextTakeover)),
            ("", "; server_max_window_bits", .invalidValue(.serverMaxWindowBits)),
            ("", "; server_max_window_bits=7", .invalidValue(.serverMaxWindowBits)),
            ("", "; server_max_window_bits=16", .invalidValue(.serverMaxWindowBits)),
            ("", "; server_max_window_bits=08", .invalidValue(.serverMaxWindowBits)),
            // Only an offer may have it without a value.
            (
                "; client_max_window_bits", "; client_max_window_bits",
                .invalidValue(.clientMaxWindowBits)
            ),
            (
                "; client_max_window_bits", "; client_max_window_bits=16",
                .invalidValue(.clientMaxWindowBits)
            ),
            ("; server_no_context_takeover", "", .missing(.serverNoContextTakeover)),
            ("; server_max_window_bits=12", "", .missing(.serverMaxWindowBits)),
            (
                "; server_max_window_bits=12", "; server_max_window_bits=13",
                .largerThanOffered(.serverMaxWindowBits)
            ),
            ("", "; client_max_window_bits=15", .notOffered(.clientMaxWindowBits)),
        ] as [(String, String, DeflateFault)])
    func failed(offer: String, response: String, fault: DeflateFault) {
        let name = "permessage-deflate"
        #expect(throws: fault) { try check(name + response, offered: name + offer) }
    }
}
