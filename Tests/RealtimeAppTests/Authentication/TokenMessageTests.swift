import HTTPProtocol
import Testing

@testable import RealtimeApp

@Suite("Messages with a token")
struct TokenMessageTests {
    private static func read(_ text: String) -> TokenMessage {
        Array(text.utf8).withUnsafeBytes { TokenMessage(RawSpan(_unsafeBytes: $0)) }
    }

    @Test(
        "They are objects with the only member token, a string",
        arguments: [
            (#"{"token":"x"}"#, "x"), (" {\n\"token\" :\t\"x\" } ", "x"), (#"{"token":""}"#, ""),
            (#"{"\u0074oken":"x"}"#, "x"), (#"{"\u0074\u006f\u006b\u0065\u006E":"x"}"#, "x"),
            (#"{"token":"a\"b\\"}"#, "a\"b\\"), (#"{"token":"a","token" : "b"}"#, "b"),
        ] as [(String, ExactString)])
    func forms(_ text: String, _ token: ExactString) {
        #expect(Self.read(text) == .token(token))
    }

    @Test(
        "Other messages aren't",
        arguments: [
            "", "x", "{}", "[]", "{", #"{""#, #"{"token""#, #"{"token":"#, #"{"token":""#,
            #"{"token":1}"#, #"{"token":null}"#, #"{"token":["x"]}"#, #"{"token":"x","more":"y"}"#,
            #"{"more":"y","token":"x"}"#, #"{"token":"x","token":1}"#, #"{"Token":"x"}"#,
            #"{"token ":"x"}"#, #"{"token\u0000":"x"}"#, #"{"tokens":"x"}"#, #"{"tokem":"x"}"#,
            #"{"token":"x""#, #"{"token":"x"}}"#, #"{"token":"x"} x"#, #"{"token":"x",}"#,
            #"["token","x"]"#, #"{"token":"\ud800"}"#, #"{"token":"\x"}"#, "{\"token\":\"a\nb\"}",
            #"{"token":"x\"#, #"{"token\"#,
        ])
    func others(_ text: String) {
        #expect(Self.read(text) == .other)
    }

    @Test("They aren't passed on if the token exceeds the size limit")
    func long() {
        let longest = String(repeating: "a", count: Token.sizeMax)
        #expect(Self.read(#"{"token":"\#(longest)"}"#) == .token(ExactString(longest)))
        for size in [Token.sizeMax + 1, Token.sizeMax + 300, 1 << 20] {
            let token = String(repeating: "a", count: size)
            #expect(Self.read(#"{"token":"\#(token)"}"#) == .tooLong)
            #expect(Self.read(" {\n\"token\" : \"\(token)\"}") == .tooLong)
            #expect(Self.read(#"{"tok\u0065n":"\#(token)"}"#) == .tooLong)
            #expect(Self.read(#"{"token":"x","token":"\#(token)"}"#) == .tooLong)
            #expect(Self.read(#"{"token":"\#(token)","more":"y"}"#) == .other)
            #expect(Self.read(#"{"text":"\#(token)"}"#) == .other)
        }
    }
}
