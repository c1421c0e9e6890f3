/// Which pages may use the server from a browser: those whose `Origin` (RFC 6454) is allowed.
///
/// Browsers send cookies and reach private addresses for any page; the server is what tells them
/// apart. Requests without an `Origin` come from programs that could claim any, and are let in.
public struct OriginPolicy: Sendable, Hashable {
    /// Every origin, `null` of files and sandboxed pages included.
    public var allowsAny: Bool
    /// Origins with the host and port that the request itself is for.
    public var allowsSameOrigin: Bool
    /// Origins that one of these matches.
    public var patterns: [Pattern]

    public init(
        allowsAny: Bool = false, allowsSameOrigin: Bool = false, patterns: [Pattern] = []
    ) {
        self.allowsAny = allowsAny
        self.allowsSameOrigin = allowsSameOrigin
        self.patterns = patterns
    }

    public static let any = OriginPolicy(allowsAny: true)
    public static let sameOrigin = OriginPolicy(allowsSameOrigin: true)

    /// `https://app.example.com`, `http://localhost:5173`, or `https://*.example.com` for all
    /// names below `example.com`, not itself.
    public struct Pattern: Sendable, Hashable, CustomStringConvertible {
        let origin: Origin
        let matchesBelow: Bool

        /// `nil` for what is no origin: a path behind it, say, or an asterisk elsewhere.
        public init?(_ text: String) {
            let below = "://*."
            matchesBelow = text.contains(below)
            let plain = matchesBelow ? text.replacing(below, with: "://", maxReplacements: 1) : text
            guard let origin = Origin(plain), !origin.host.contains("*") else { return nil }
            self.origin = origin
        }

        func matches(_ other: Origin) -> Bool {
            guard origin.scheme == other.scheme, origin.port == other.port else { return false }
            return matchesBelow
                ? other.host.hasSuffix(".\(origin.host)") : other.host == origin.host
        }

        public var description: String {
            let port = origin.port == Origin.defaultPort(of: origin.scheme) ? nil : origin.port
            let host = (matchesBelow ? "*." : "") + origin.host
            return "\(origin.scheme)://\(host)" + (port.map { ":\($0)" } ?? "")
        }
    }

    /// Whether a request to `authority` (its `Host`) may come from a page of `origin`.
    func allows(_ origin: String, to authority: String?) -> Bool {
        if allowsAny { return true }
        // `null`, and a list of origins, are of no page that could be named.
        guard let origin = Origin(origin) else { return false }
        if allowsSameOrigin, let authority, origin.isOf(authority) { return true }
        return patterns.contains { $0.matches(origin) }
    }
}

/// Scheme, host and port of a page (RFC 6454 §4), in lower case.
struct Origin: Sendable, Hashable {
    let scheme: String
    let host: String
    /// `nil` where the scheme has no default and none is given.
    let port: Int?

    /// RFC 6454 §6.2: `scheme "://" host [ ":" port ]`, and nothing behind it.
    init?(_ text: String) {
        guard let colon = text.firstRange(of: "://") else { return nil }
        let scheme = text[..<colon.lowerBound].lowercased()
        guard let first = scheme.utf8.first, (0x61...0x7A).contains(first),
            let (host, port) = Self.split(text[colon.upperBound...]), !host.isEmpty,
            !host.utf8.contains(where: { "/?#@ ,\\".utf8.contains($0) })
        else { return nil }
        self.scheme = scheme
        self.host = host
        self.port = port ?? Self.defaultPort(of: scheme)
    }

    /// Whether `authority` names the same host and port. Behind a proxy that ends TLS the request's
    /// own scheme isn't known, so that a port left out is the default of the page's scheme.
    func isOf(_ authority: String) -> Bool {
        guard let other = Self.defaultPort(of: scheme),
            let (host, port) = Self.split(authority[...])
        else { return false }
        return host == self.host && (port ?? other) == self.port
    }

    static func defaultPort(of scheme: String) -> Int? {
        switch scheme {
        case "http": 80
        case "https": 443
        default: nil
        }
    }

    private static func split(_ authority: Substring) -> (host: String, port: Int?)? {
        // A colon within brackets is an IPv6 address's own.
        let bracket = authority.lastIndex(of: "]") ?? authority.startIndex
        guard let colon = authority[bracket...].lastIndex(of: ":") else {
            return (authority.lowercased(), nil)
        }
        let digits = authority[authority.index(after: colon)...]
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        let host = authority[..<colon].lowercased()
        if digits.isEmpty { return (host, nil) }
        guard let port = Int(digits), port <= 65_535 else { return nil }
        return (host, port)
    }
}
