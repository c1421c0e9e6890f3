import HTTPProtocol
import HTTPTypes
import Testing

@testable import RealtimeApp

@Suite("Forms and queries")
struct FormTests {
    @Test("A form is parsed as browsers write it")
    func fields() {
        let form = Form("username=ada+l&password=%26%3D%2b%C3%A4&empty=&flag&&=x&a=b=c")
        for (name, value) in [
            ("username", "ada l"), ("password", "&=+ä"), ("empty", ""), ("flag", ""), ("", "x"),
            ("a", "b=c"),
        ] as [(ExactString, String)] {
            #expect(form[name] == Array(value.utf8), "\(name)")
        }
        #expect(form["other"] == nil)
        #expect(Form("").fields.isEmpty)
        #expect(!form.hasBareEscape)
    }

    @Test(
        "A percent sign that encodes nothing is literal",
        arguments: [
            ("a=%", "%"), ("a=50%", "50%"), ("a=%4", "%4"), ("a=%4g", "%4g"), ("a=%+1", "% 1"),
            ("a=%%41", "%A"), ("%61=%&b=%41", "%"), ("%=x&a=%zz%", "%zz%"),
        ] as [(ExactString, String)])
    func bareEscapes(query: ExactString, value: String) {
        #expect(Form(query)["a"] == Array(value.utf8))
        #expect(Form(query).hasBareEscape)
    }

    @Test("The last value of a name counts, and a name that isn't UTF-8 is never found")
    func repeats() {
        #expect(Form("topic=a&token=T&topic=b")["topic"] == Array("b".utf8))
        #expect(Form("topic=a&token=T&topic=b")["token"] == Array("T".utf8))
        #expect(Form("%ff=1&a=%ff")["a"] == [0xFF])
        #expect(Form("%ff=1")["\u{FFFD}"] == nil)
        #expect(Form("caf%C3%A9=1&cafe%CC%81=2")["caf\u{E9}"] == Array("1".utf8))
    }

    @Test("The token endpoint refuses repeated names, and treats empty values as missing")
    func tokenRequests() {
        let request = TokenRequest(Array("grant_type=&username=ada&scope".utf8))
        #expect(request?["username"] == "ada")
        for name in ["grant_type", "scope", "other"] as [ExactString] {
            #expect(request?[name] == nil, "\(name)")
        }
        for wrong in ["a=%", "a=%4", "a=%4g", "a=%ff", "%ff=1", "a=1&a=2", "%61=1&a=2"] {
            #expect(TokenRequest(Array(wrong.utf8)) == nil, "\(wrong)")
        }
        // Two names whose bytes differ.
        #expect(TokenRequest(Array("caf%C3%A9=1&cafe%CC%81=2".utf8)) != nil)
    }

    private func token(
        in query: ExactString?, _ fields: HTTPFields = [:], _ subprotocols: [String] = [],
        acceptsQuery: Bool = true
    ) -> ExactString? {
        let head = HTTPRequest(
            method: .get, scheme: nil, authority: nil, path: "/", headerFields: fields)
        return TokenSource(
            head, query: query, acceptsQuery: acceptsQuery, subprotocols: subprotocols
        ).token
    }

    @Test("The token in a query is found, whatever else the query contains")
    func queryTokens() {
        for (query, token) in [
            (nil, nil), ("", nil), ("token", nil), ("token=", nil), ("tokens=T", nil),
            ("token=T", "T"), ("topic=a&topic=b&token=T", "T"), ("x=50%&token=T", "T"),
            ("%ff=%ff&token=T", "T"), ("token=T&x=%", "T"), ("%74oken=%54", "T"),
            ("token=a&token=b", "b"), ("token=%ff", "\u{FFFD}"),
        ] as [(ExactString?, ExactString?)] {
            #expect(self.token(in: query) == token, "\(query ?? "none")")
            #expect(self.token(in: query, acceptsQuery: false) == nil)
        }
    }

    @Test("The token in a header takes precedence, whatever the case of its scheme")
    func headerTokens() {
        for (value, token) in [
            ("Bearer T", "T"), ("bEARER   T", "T"), ("Bearer", ""), ("Bearer ", ""),
            ("Basic T", nil), ("Bearer\u{301} T", nil), ("Bea\u{301}rer T", nil), ("", nil),
        ] as [(String, ExactString?)] {
            #expect(
                self.token(in: "token=Q", [.authorization: value]) == token ?? "Q", "\(value)")
        }
        #expect(token(in: "token=Q", [:], ["chat", "bearer", "S"]) == "S")
        #expect(token(in: "token=Q", [.authorization: "Bearer T"], ["bearer", "S"]) == "T")
        #expect(token(in: "token=Q", [:], ["bearer"]) == "Q")
    }

    @Test(
        "A media type is two tokens around a slash, in any case",
        arguments: [
            (nil, .none), ("", .none), (" ; charset=utf-8", .none), (",text/plain", .none),
            ("Application/JSON; charset=utf-8", .named("application/json")),
            ("text/plain, application/json", .named("text/plain")),
            (" text/ plain\t;x", .named("text/plain")), ("a/b+c.d-1", .named("a/b+c.d-1")),
            ("text", .malformed), ("text/", .malformed), ("/plain", .malformed),
            ("a/b/c", .malformed), ("a/b c/d", .malformed), ("a/(b)", .malformed),
            ("text/pla\u{301}in", .malformed), ("te\u{E9}xt/plain", .malformed),
            ("\u{212A}/plain", .malformed),
        ] as [(ExactString?, MediaType)])
    func mediaTypes(value: ExactString?, type: MediaType) {
        #expect(MediaType(value) == type)
    }
}
