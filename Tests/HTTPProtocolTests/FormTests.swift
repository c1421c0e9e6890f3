import HTTPProtocol
import Testing

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
