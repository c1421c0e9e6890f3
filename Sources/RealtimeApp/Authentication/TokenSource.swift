import HTTPTypes
import WebSocketServer

/// Where a request carries its token, if it does: in a header, among its subprotocols, or in the
/// query.
struct TokenSource {
    /// Named by browsers, which can't set headers, before the token itself.
    static let subprotocol = "bearer"

    let token: String?
    /// What is to be agreed on: never the token, which the answer would repeat.
    let subprotocol: String?

    init(_ head: HTTPRequest, query: String?, acceptsQuery: Bool, subprotocols: [String] = []) {
        let place = subprotocols.firstIndex(of: Self.subprotocol)
        subprotocol = place.map { _ in Self.subprotocol }
        let offered = place.flatMap { subprotocols.dropFirst($0 + 1).first }
        token =
            Self.bearer(head.headerFields[.authorization]) ?? offered
            ?? (acceptsQuery ? query.flatMap { Form($0.utf8)?["token"] } : nil)
    }

    init(_ request: UpgradeRequest, acceptsQuery: Bool) {
        self.init(
            request.head, query: request.query, acceptsQuery: acceptsQuery,
            subprotocols: request.subprotocols)
    }

    /// RFC 6750 §2.1; the scheme's case doesn't matter (RFC 9110 §11.1). Other schemes are for
    /// someone else, a proxy say.
    private static func bearer(_ field: String?) -> String? {
        guard let field else { return nil }
        let scheme = field.prefix { $0 != " " }
        guard scheme.lowercased() == "bearer" else { return nil }
        return String(field[scheme.endIndex...].drop { $0 == " " })
    }
}
