import HTTPProtocol

/// Which pages may use the server from a browser: those whose `Origin` (RFC 6454) is allowed.
///
/// Browsers reach private addresses for any page; the server is what tells pages apart. Requests
/// without an `Origin` come from programs that could claim any, and are let in.
///
/// Pages of the listed origins may also read the responses to plain requests: the server answers
/// their CORS preflights, unless a route for OPTIONS does.
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
    ///
    /// Origins of apps are listed as they are sent: `capacitor://localhost`, `file://`. The origin
    /// `null` is that of every sandboxed frame, whoever made it: any page on the web can act under
    /// it, so to list it is nearly ``OriginPolicy/any``.
    public struct Pattern: Sendable, Hashable, CustomStringConvertible {
        let origin: Origin
        let matchesBelow: Bool

        /// `nil` for what is no origin: a path behind it, say, or an asterisk elsewhere.
        public init?(_ text: String) {
            let below = "://*."
            matchesBelow = text.contains(below)
            let plain = matchesBelow ? text.replacing(below, with: "://", maxReplacements: 1) : text
            guard let origin = Origin(plain), !origin.host.contains(UInt8(ascii: "*")),
                !(matchesBelow && origin.host.isEmpty)
            else { return nil }
            self.origin = origin
        }

        func matches(_ other: Origin) -> Bool {
            guard origin.scheme == other.scheme, origin.port == other.port else { return false }
            guard matchesBelow else { return other.host == origin.host }
            let dot = other.host.count - origin.host.count - 1
            return dot >= 0 && other.host[dot] == UInt8(ascii: ".")
                && other.host[(dot + 1)...].elementsEqual(origin.host)
        }

        public var description: String {
            guard matchesBelow else { return origin.description }
            return origin.description.replacing("://", with: "://*.", maxReplacements: 1)
        }
    }

    /// Whether a request to `authority` (its `Host`) may come from a page of `origin`.
    func allows(_ origin: String, to authority: String?) -> Bool {
        if allowsAny { return true }
        guard let origin = Origin(origin) else { return false }
        if allowsSameOrigin, let authority, origin.isOf(authority) { return true }
        return lists(origin)
    }

    /// Whether one of the patterns matches an origin.
    func lists(_ origin: Origin) -> Bool { patterns.contains { $0.matches(origin) } }
}

/// Scheme, host and port of a page (RFC 6454 §4), in lower case.
///
/// They are bytes, all of them ASCII: strings of peers are never compared as such, since that
/// would normalise their Unicode, at a cost that is quadratic for some.
struct Origin: Sendable, Hashable, CustomStringConvertible {
    /// The origin of pages that have none to tell: sandboxed frames, `data:` URLs, some files.
    static let null = Origin(scheme: [], host: [], port: nil)

    let scheme: [UInt8]
    /// Empty for some apps' pages, such as those of `file://`.
    let host: [UInt8]
    /// `nil` where the scheme has no default and none is given.
    let port: Int?

    private init(scheme: [UInt8], host: [UInt8], port: Int?) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// RFC 6454 §6.2: `null`, or `scheme "://" host [ ":" port ]` and nothing behind it.
    init?(_ text: String) {
        if text.utf8.elementsEqual("null".utf8) {
            self = .null
            return
        }
        // What isn't printable ASCII is looked at no further.
        guard text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else { return nil }
        let bytes = text.utf8.map(\.lowercased)
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            Self.isScheme(bytes[..<colon]), bytes[(colon + 1)...].starts(with: "//".utf8),
            let (host, port) = Self.split(bytes[(colon + 3)...]),
            !host.contains(where: Self.isForeign)
        else { return nil }
        let scheme = Self.plainScheme(Array(bytes[..<colon]))
        let defaultPort = Self.defaultPort(of: scheme)
        // Only what isn't of the web can be without a host.
        guard !host.isEmpty || defaultPort == nil && port == nil else { return nil }
        self.init(scheme: scheme, host: host, port: port ?? defaultPort)
    }

    /// The part of a URL that names its origin: what precedes the third slash.
    static func text(ofURL url: String) -> String {
        let slashes = url.utf8.indices.filter { url.utf8[$0] == UInt8(ascii: "/") }
        return slashes.count < 3 ? url : String(url[..<slashes[2]])
    }

    /// Whether `authority` names the same host and port. Behind a proxy that ends TLS the request's
    /// own scheme isn't known, so that a port left out is the default of the page's scheme.
    func isOf(_ authority: String) -> Bool {
        guard let other = Self.defaultPort(of: scheme),
            let (host, port) = Self.split(authority.utf8.map(\.lowercased)[...])
        else { return false }
        return host == self.host && (port ?? other) == self.port
    }

    var description: String {
        if self == .null { return "null" }
        let port = port == Self.defaultPort(of: scheme) ? nil : port
        return String(decoding: scheme + "://".utf8 + host, as: UTF8.self)
            + (port.map { ":\($0)" } ?? "")
    }

    /// Some programs send the origin of their WebSocket's own URL: `ws` is `http` and `wss` is
    /// `https` (the WebSockets standard, «establish a WebSocket connection»).
    private static func plainScheme(_ scheme: [UInt8]) -> [UInt8] {
        if scheme == Array("ws".utf8) { return Array("http".utf8) }
        if scheme == Array("wss".utf8) { return Array("https".utf8) }
        return scheme
    }

    private static func defaultPort(of scheme: [UInt8]) -> Int? {
        if scheme == Array("http".utf8) { return 80 }
        if scheme == Array("https".utf8) { return 443 }
        return nil
    }

    /// RFC 3986 §3.1, in lower case: a letter, then letters, digits, `+`, `-` and `.`.
    private static func isScheme(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first, 0x61...0x7A ~= first else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case 0x61...0x7A, 0x30...0x39, 0x2B, 0x2D, 0x2E: true
            default: false
            }
        }
    }

    /// Whether a byte ends or precedes the host in a URL, or an element of a list.
    private static func isForeign(_ byte: UInt8) -> Bool { "/?#@,\\".utf8.contains(byte) }

    private static func split(_ authority: ArraySlice<UInt8>) -> (host: [UInt8], port: Int?)? {
        // A colon within brackets is an IPv6 address's own.
        let bracket = authority.lastIndex(of: UInt8(ascii: "]")) ?? authority.startIndex
        guard let colon = authority[bracket...].lastIndex(of: UInt8(ascii: ":")) else {
            return (Array(authority), nil)
        }
        let host = Array(authority[..<colon])
        let digits = authority[(colon + 1)...]
        if digits.isEmpty { return (host, nil) }
        var port = 0
        for digit in digits {
            guard 0x30...0x39 ~= digit else { return nil }
            port = port * 10 + Int(digit - 0x30)
            guard port <= 65_535 else { return nil }
        }
        return (host, port)
    }
}
