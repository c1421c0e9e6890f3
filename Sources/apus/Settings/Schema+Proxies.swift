import WebSocketServer

/// The keys about proxies in front of the server.
extension Schema {
    static let proxies: [Key] = [
        Key(
            "proxies.trusted", TrustedProxies(), \.server.proxies.trusted,
            "The proxies that may name the client that they connect for."),
        Key(
            "proxies.header",
            Choice([("x-forwarded-for", .xForwardedFor), ("forwarded", .forwarded)]),
            \.server.proxies.header,
            """
            The header in which trusted proxies name the client. The header `forwarded` is that \
            of RFC 7239.
            """),
    ]
}

/// Ranges of addresses and the word `unix`, separated by commas.
struct TrustedProxies: ListKind {
    let accepted = "a list of IP addresses, CIDR ranges and unix, or empty (none)"

    func parse(_ text: String) throws(Rejection) -> [TrustedProxy] {
        if text.isEmpty { return [] }
        var proxies: [TrustedProxy] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let word = part.split(separator: " ")
            guard word.count == 1, let proxy = TrustedProxy(String(word[0])) else {
                throw Rejection(
                    problem: "not a list of addresses, as 10.0.0.0/8, fd00::/8, 192.0.2.1, unix")
            }
            proxies.append(proxy)
        }
        return proxies
    }

    func write(_ value: [TrustedProxy]) -> String {
        value.map(\.description).joined(separator: ", ")
    }
}
