import AppInput
import HTTPProtocol
import HTTPTypes
import WebSocketServer

/// Where a request carries its token, if it does: in a header, among its subprotocols, or in the
/// query.
struct TokenSource {
    /// Named by browsers, which can't set headers, before the token itself.
    static let subprotocol = "bearer"

    let token: ExactString?
    /// What is to be agreed on: never the token, which the answer would repeat.
    let subprotocol: String?

    init(
        _ head: HTTPRequest, query: ExactString?, acceptsQuery: Bool, subprotocols: [String] = []
    ) {
        // Tokens of the grammar, hence ASCII (RFC 6455 §4.1).
        let place = subprotocols.firstIndex(of: Self.subprotocol)
        subprotocol = place.map { _ in Self.subprotocol }
        let offered = place.flatMap { subprotocols.dropFirst($0 + 1).first }
        token =
            Self.bearer(head.headerFields[exact: .authorization])
            ?? offered.map(ExactString.init(_:)) ?? (acceptsQuery ? query.flatMap(Self.token) : nil)
    }

    init(_ request: UpgradeRequest, acceptsQuery: Bool) {
        self.init(
            request.head, query: request.query, acceptsQuery: acceptsQuery,
            subprotocols: request.subprotocols)
    }

    /// RFC 6750 §2.1; the scheme's case doesn't matter (RFC 9110 §11.1). Other schemes are for
    /// someone else, a proxy say.
    private static func bearer(_ field: ExactString?) -> ExactString? {
        guard let bytes = field?.utf8 else { return nil }
        let space = UInt8(ascii: " ")
        let scheme = bytes.prefix { $0 != space }
        guard scheme.map(\.lowercased).elementsEqual("bearer".utf8) else { return nil }
        return ExactString(validating: bytes.dropFirst(scheme.count).drop { $0 == space })
    }

    /// The token of a query (RFC 6750 §2.3); one without a value is as if it weren't there
    /// (RFC 6749 §3.2). Bytes that are no UTF-8 are a token all the same, and a bad one.
    private static func token(in query: ExactString) -> ExactString? {
        guard let value = Form(query)["token"], !value.isEmpty else { return nil }
        return ExactString(validating: value) ?? "\u{FFFD}"
    }
}
