import Testing

@testable import RealtimeApp

@Suite("Messages that bring a token")
struct TokenMessageTests {
    private static func token(in text: String) -> String? {
        Array(text.utf8).withUnsafeBytes { TokenMessage.token(in: RawSpan(_unsafeBytes: $0)) }
    }

    @Test(
        "are objects with the one member token, a string",
        arguments: [
            (#"{"token":"x"}"#, "x"), (" {\n\"token\" :\t\"x\" } ", "x"), (#"{"token":""}"#, ""),
            (#"{"\u0074oken":"x"}"#, "x"),
            ("", nil), ("x", nil), ("{}", nil), ("[]", nil), (#"{"token":1}"#, nil),
            (#"{"token":"x","more":"y"}"#, nil), (#"{"Token":"x"}"#, nil), (#"{"token":"x""#, nil),
            (#"["token","x"]"#, nil),
        ] as [(String, String?)])
    func forms(_ text: String, _ token: String?) {
        #expect(Self.token(in: text) == token)
    }

    @Test("are no one else's though the token is longer than a token can be")
    func long() {
        for size in [Token.sizeMax, Token.sizeMax + 300, 1 << 20] {
            let token = String(repeating: "a", count: size)
            #expect(Self.token(in: #"{"token":"\#(token)"}"#) == token)
            #expect(Self.token(in: " {\n\"token\" : \"\(token)\"}") == token)
            #expect(Self.token(in: #"{"token":"\#(token)","more":"y"}"#) == nil)
            #expect(Self.token(in: #"{"tok\u0065n":"\#(token)"}"#) == token)
            #expect(Self.token(in: #"{"text":"\#(token)"}"#) == nil)
        }
    }
}
