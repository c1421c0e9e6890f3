import WebSocketServer

/// The settings of the admin listener; without an address there is none.
struct AdminSettings: Sendable {
    var listen: AdminAddress?
    var token: String?
}

/// The keys of the admin listener.
extension Schema {
    static let admin: [Key] = [
        Key(
            "admin.listen", AdminListen(), \.admin.listen,
            """
            The address of the admin listener: dashboard, metrics, health and control. It has an \
            event loop of its own and speaks plain HTTP. Without `admin.token`, only an address \
            of this machine is allowed, such as `127.0.0.1:8081`.
            """),
        Key(
            "admin.token", AdminToken(), \.admin.token,
            """
            The token that the admin listener demands as `Authorization: Bearer TOKEN`. Only \
            `/healthz`, `/readyz` and the dashboard's page, which asks for it, need none.
            """, isSecret: true),
    ]
}

extension CrossCheck {
    static let ofAdmin = CrossCheck(
        key: "admin.listen",
        relation: "an address of this machine, such as 127.0.0.1:8081, or be protected by",
        other: "admin.token"
    ) { draft in
        draft.admin.token != nil || draft.admin.listen.map(\.isLoopback) ?? true
    }
}

/// The host and port of the admin listener.
struct AdminAddress: Sendable, Equatable {
    var host: String
    var port: Int

    /// Whether only programs on this machine can reach the address.
    var isLoopback: Bool {
        let isNumeric = host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || 0x30...0x39 ~= $0 }
        return host == "localhost" || host == "::1" || isNumeric && host.hasPrefix("127.")
    }

    /// The authority of a URL: `127.0.0.1:8081`, `[::1]:8081`.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// `HOST:PORT`; an IPv6 address is in brackets. Empty means `nil`.
struct AdminListen: Kind {
    let accepted = "HOST:PORT, an IPv6 address in brackets, or empty (off)"

    func parse(_ text: String) throws(Rejection) -> AdminAddress? {
        if text.isEmpty { return nil }
        guard let colon = text.lastIndex(of: ":") else {
            throw Rejection(problem: "not HOST:PORT, as 127.0.0.1:8081")
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            throw Rejection(problem: "not HOST:PORT: write an IPv6 address in brackets")
        }
        return AdminAddress(
            host: try Host().parse(host),
            port: try WholeNumber(ListenAddress.ports).parse(
                String(text[text.index(after: colon)...])))
    }

    func write(_ value: AdminAddress?) -> String { value?.authority ?? "" }
}

/// A token that can stand in `Authorization: Bearer` (RFC 6750 §2.1), of at least 32 bytes; empty
/// means `nil`.
struct AdminToken: Kind {
    let accepted =
        "at least \(Secret.sizeMin) letters, digits or -._~+/ (openssl rand -hex 32), or empty (none)"

    func parse(_ text: String) throws(Rejection) -> String? {
        guard let token = try Secret().parse(text) else { return nil }
        let isValid = token.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "-._~+/=".utf8.contains(byte)
            }
        }
        guard isValid else { throw Rejection(problem: "not letters, digits or -._~+/") }
        return token
    }

    func write(_ value: String?) -> String { value ?? "" }
}
