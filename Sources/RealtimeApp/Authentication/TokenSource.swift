import AppInput
import HTTPProtocol
import HTTPTypes
import WebSocketServer

/// The place of a token in a request: a header, a subprotocol, or the query.
struct TokenSource {
    /// The subprotocol that browsers offer before the token, because they can't set headers.
    static let subprotocol = "bearer"

    let token: ExactString?
    /// The subprotocol to select: never the token, which the response would repeat.
    let subprotocol: String?

    init(
        _ head: HTTPRequest, query: ExactString?, acceptsQuery: Bool, subprotocols: [String] = []
    ) {
        // Subprotocols are tokens of the grammar, and therefore ASCII (RFC 6455 §4.1).
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

    /// Returns the bearer token of a field (RFC 6750 §2.1). The scheme is case-insensitive (RFC
    /// 9110 §11.1). Other schemes are for another recipient, for example a proxy.
    private static func bearer(_ field: ExactString?) -> ExactString? {
        guard let bytes = field?.utf8 else { return nil }
        let space = UInt8(ascii: " ")
        let scheme = bytes.prefix { $0 != space }
        guard scheme.map(\.lowercased).elementsEqual("bearer".utf8) else { return nil }
        return ExactString(validating: bytes.dropFirst(scheme.count).drop { $0 == space })
    }

    /// Returns the token of a query (RFC 6750 §2.3). An empty value counts as missing (RFC 6749
    /// §3.2). Invalid UTF-8 counts as an invalid token.
    private static func token(in query: ExactString) -> ExactString? {
        guard let value = Form(query)["token"], !value.isEmpty else { return nil }
        return ExactString(validating: value) ?? "\u{FFFD}"
    }
}
