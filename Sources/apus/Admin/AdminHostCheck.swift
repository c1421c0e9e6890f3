import Foundation
import HTTPTypes
import WebSocketServer

/// The check of the name by which a client reaches the admin listener.
///
/// A page from elsewhere can give its own name the address of this machine (DNS rebinding). Its
/// requests then look like those of the listener's own pages, except for their `Host`. Such a page
/// doesn't know the token, so any name is accepted if there is one.
struct AdminHostCheck: Middleware {
    private let host: String?

    init(_ settings: AdminSettings) {
        host = settings.token == nil ? settings.listen?.host ?? "" : nil
    }

    func handle(
        _ request: Request, next: (Request) async throws -> Response
    ) async throws -> Response {
        // Browsers always send one, unlike health checks by HTTP/1.0.
        if let host, let authority = request.head.authority, !Self.isOwn(authority, host) {
            throw Problem(
                .forbidden,
                """
                The admin listener isn't known by this name. Use its IP address or localhost, or \
                set admin.token, with which any name is accepted.
                """)
        }
        return try await next(request)
    }

    /// Returns whether an authority is an IP address, `localhost` or the configured host, with or
    /// without a port. Nobody else can make names of these.
    private static func isOwn(_ authority: String, _ host: String) -> Bool {
        var name = Array(authority.utf8)
        if let colon = name.lastIndex(of: UInt8(ascii: ":")), name.last != UInt8(ascii: "]") {
            name.removeSubrange(colon...)
        }
        if name.elementsEqual("localhost".utf8) || name.elementsEqual(host.utf8) { return true }
        let isBracketed = name.first == UInt8(ascii: "[") && name.last == UInt8(ascii: "]")
        let text = String(
            decoding: isBracketed ? Array(name.dropFirst().dropLast()) : name, as: UTF8.self)
        var address = in6_addr()
        return inet_pton(isBracketed ? AF_INET6 : AF_INET, text, &address) == 1
    }
}
