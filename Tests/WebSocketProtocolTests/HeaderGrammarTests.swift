import HTTPTypes
import Testing
import WebSocketProtocol

@Suite struct HeaderGrammarTests {
    private func fields(_ name: HTTPField.Name, _ lines: [String]) -> HTTPFields {
        var fields = HTTPFields()
        fields[values: name] = lines
        return fields
    }

    @Test(
        "A list contains a token in any case, position, line and whitespace",
        arguments: [
            ["Upgrade"], ["upgrade"], ["UPGRADE"], ["keep-alive, Upgrade"], ["keep-alive,Upgrade"],
            ["Upgrade, keep-alive"], ["keep-alive ,\tupgrade\t, x"], ["keep-alive", "Upgrade"],
            [",, ,Upgrade,"], ["", "Upgrade"], ["@broken stuff, Upgrade"],
        ])
    func contains(lines: [String]) {
        let fields = fields(.connection, lines)
        #expect(HeaderGrammar.list(.connection, in: fields, contains: "upgrade"))
        #expect(!HeaderGrammar.list(.upgrade, in: fields, contains: "upgrade"))
    }

    @Test(
        "A list doesn't contain a token that is only a part of an element",
        arguments: [
            [], [""], ["keep-alive"], ["upgrades"], ["xupgrade"], ["up grade"], ["upgrade;x"],
            ["\"upgrade\""], ["upgrade/1"],
        ])
    func containsNot(lines: [String]) {
        #expect(
            !HeaderGrammar.list(
                .connection, in: fields(.connection, lines), contains: "upgrade"))
    }

    @Test(
        "Tokens are parsed in order, over several lines, without empty elements",
        arguments: [
            ([], []), ([""], []), (["  "], []), ([","], []), ([" , ,, "], []),
            (["chat"], ["chat"]), (["chat, superchat"], ["chat", "superchat"]),
            (["chat,superchat"], ["chat", "superchat"]), (["\tchat \t,  b "], ["chat", "b"]),
            (["a", "b,c", "", "d"], ["a", "b", "c", "d"]), ([",a,,b,"], ["a", "b"]),
            (["v1.chat~x!#$%&'*+-.^_`|"], ["v1.chat~x!#$%&'*+-.^_`|"]),
        ] as [([String], [String])])
    func tokens(lines: [String], tokens: [String]) throws {
        let read = try HeaderGrammar.tokens(
            .secWebSocketProtocol, in: fields(.secWebSocketProtocol, lines))
        #expect(read == tokens)
    }

    @Test(
        "A list with anything but tokens is malformed",
        arguments: [
            ("a b", .commaExpected), ("a;b", .commaExpected), ("a,\"b\"", .tokenExpected),
            ("@", .tokenExpected), ("a,(b)", .tokenExpected), ("é", .tokenExpected),
            ("a=b", .commaExpected), ("a/1", .commaExpected),
        ] as [(String, HeaderGrammarFault)])
    func malformedTokens(line: String, fault: HeaderGrammarFault) {
        #expect(throws: fault) {
            try HeaderGrammar.tokens(
                .secWebSocketProtocol, in: fields(.secWebSocketProtocol, ["x", line]))
        }
    }

    static let deflate = "permessage-deflate"

    @Test(
        "Extensions are parsed with their parameters, and written in one way",
        arguments: [
            (["foo"], "foo"), (["foo, bar; baz=2"], "foo, bar; baz=2"),
            (["foo", "bar; baz=2"], "foo, bar; baz=2"), (["foo;bar;baz"], "foo; bar; baz"),
            (["foo;bar=\"baz\""], "foo; bar=baz"), (["foo;bar=\"b\\az\""], "foo; bar=baz"),
            ([" foo ;\tbar = 1 ;baz= \"2\" , "], "foo; bar=1; baz=2"), ([", foo ,,"], "foo"),
            (["", "foo"], "foo"), ([""], ""), ([" , ,,"], ""), (["", "\t"], ""),
            (["foo; a=1; a=2"], "foo; a=1; a=2"),
            (["foo; x=\"1\"", "foo; x=\"2\""], "foo; x=1, foo; x=2"),
            (
                ["permessage-deflate; client_max_window_bits; server_max_window_bits=10"],
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10"
            ),
        ])
    func extensions(lines: [String], written: String) throws {
        let offers = try HeaderGrammar.extensions(in: fields(.secWebSocketExtensions, lines))
        #expect(ExtensionOffer.headerValue(offers) == written)
        let again = try HeaderGrammar.extensions(in: fields(.secWebSocketExtensions, [written]))
        #expect(again == offers)
    }

    @Test("A parameter without a value differs from one with an empty value")
    func parameters() throws {
        let offers = try HeaderGrammar.extensions(
            in: [.secWebSocketExtensions: "permessage-deflate; a; b=1, x"])
        #expect(
            offers == [
                ExtensionOffer(
                    name: "permessage-deflate",
                    parameters: [.init(name: "a"), .init(name: "b", value: "1")]),
                ExtensionOffer(name: "x"),
            ])
        #expect(try HeaderGrammar.extensions(in: [:]) == [])
    }

    @Test(
        "Extensions that violate RFC 6455 §9.1 are malformed",
        arguments: [
            ([";"], .tokenExpected), (["foo;"], .tokenExpected), (["foo; "], .tokenExpected),
            (["foo;;bar"], .tokenExpected), (["foo; =1"], .tokenExpected),
            (["foo; a="], .tokenExpected), (["foo; a=, bar"], .tokenExpected),
            (["\"foo\""], .tokenExpected), (["foo bar"], .commaExpected),
            (["foo=1"], .commaExpected), (["foo; a b"], .commaExpected),
            (["foo; a=1 2"], .commaExpected), (["foo; a=\"1\"2"], .commaExpected),
            (["foo; a=\""], .quotedStringMalformed), (["foo; a=\"1"], .quotedStringMalformed),
            (["foo; a=\"1\\"], .quotedStringMalformed),
            (["foo; a=\"1", "bar\""], .quotedStringMalformed),
            (["foo; a=\"\""], .quotedValueNotToken), (["foo; a=\"1 2\""], .quotedValueNotToken),
            (["foo; a=\"1,2\""], .quotedValueNotToken), (["foo; a=\"\\\"\""], .quotedValueNotToken),
            (["foo; a=\"é\""], .quotedValueNotToken),
        ] as [([String], HeaderGrammarFault)])
    func malformedExtensions(lines: [String], fault: HeaderGrammarFault) {
        #expect(throws: fault) {
            try HeaderGrammar.extensions(in: fields(.secWebSocketExtensions, lines))
        }
        #expect(!fault.description.isEmpty)
    }
}
