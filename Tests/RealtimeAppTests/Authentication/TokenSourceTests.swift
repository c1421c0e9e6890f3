import HTTPProtocol
import HTTPTypes
import Testing

@testable import RealtimeApp

@Suite("Where a request carries its token")
struct TokenSourceTests {
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
}
