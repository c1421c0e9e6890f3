import HTTPProtocol

/// The web pages that may use the server, by their `Origin` (RFC 6454).
///
/// Browsers let any page open a WebSocket to any address, private ones included, so the server must
/// check where the page comes from. Requests without an `Origin` come from other programs, which
/// could send any value, and are accepted.
///
/// Pages of the listed origins may also read the responses to plain requests: the server answers
/// their CORS preflights, unless a route handles OPTIONS.
public struct OriginPolicy: Sendable, Hashable {
    /// Whether every origin is allowed, including `null`, the origin of files and sandboxed frames.
    /// Default false.
    public var allowsAny: Bool
    /// Whether origins are allowed whose host and port are those of the request's `Host`.
    /// Default false, but true in ``sameOrigin``.
    public var allowsSameOrigin: Bool
    /// The patterns of further allowed origins. Default none.
    public var patterns: [Pattern]

    /// Creates a policy, which allows no origin that isn't given. Requests without an `Origin` are
    /// always accepted.
    public init(
        allowsAny: Bool = false, allowsSameOrigin: Bool = false, patterns: [Pattern] = []
    ) {
        self.allowsAny = allowsAny
        self.allowsSameOrigin = allowsSameOrigin
        self.patterns = patterns
    }

    /// The policy that allows every page. Then any page that a user visits can use the server with
    /// the user's cookies and network.
    public static let any = OriginPolicy(allowsAny: true)
    /// The policy that allows only the server's own pages: the default of a server.
    public static let sameOrigin = OriginPolicy(allowsSameOrigin: true)

    /// An origin, such as `https://app.example.com` or `http://localhost:5173`, or all subdomains
    /// of a name, such as `https://*.example.com` (which doesn't include `example.com` itself).
    ///
    /// The origins of apps are written as the apps send them: `capacitor://localhost`, `file://`.
    /// Any page on the web can create a sandboxed frame, whose origin is `null`; so allowing `null`
    /// is nearly the same as ``OriginPolicy/any``.
    public struct Pattern: Sendable, Hashable, CustomStringConvertible {
        let origin: Origin
        let matchesBelow: Bool

        /// Parses a pattern; returns `nil` for anything else, such as a URL with a path.
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

    /// Returns whether a page of `origin` may send a request to `authority` (its `Host`).
    func allows(_ origin: String, to authority: String?) -> Bool {
        if allowsAny { return true }
        guard let origin = Origin(origin) else { return false }
        if allowsSameOrigin, let authority, origin.isOf(authority) { return true }
        return lists(origin)
    }

    /// Returns whether a pattern matches an origin.
    func lists(_ origin: Origin) -> Bool { patterns.contains { $0.matches(origin) } }
}

/// The scheme, host and port of a page (RFC 6454 §4), in lower case.
///
/// They are kept as ASCII bytes. Comparing strings that a peer has chosen would normalise their
/// Unicode, which takes quadratic time for some.
struct Origin: Sendable, Hashable, CustomStringConvertible {
    /// The opaque origin of sandboxed frames, `data:` URLs and some files.
    static let null = Origin(scheme: [], host: [], port: nil)

    let scheme: [UInt8]
    /// The host; empty for some apps' pages, such as those of `file://`.
    let host: [UInt8]
    /// The port; `nil` if none is given and the scheme has no default.
    let port: Int?

    private init(scheme: [UInt8], host: [UInt8], port: Int?) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// Parses `null`, or `scheme "://" host [ ":" port ]` with nothing after it (RFC 6454 §6.2).
    init?(_ text: String) {
        if text.utf8.elementsEqual("null".utf8) {
            self = .null
            return
        }
        // Only printable ASCII can be an origin.
        guard text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else { return nil }
        let bytes = text.utf8.map(\.lowercased)
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            Self.isScheme(bytes[..<colon]), bytes[(colon + 1)...].starts(with: "//".utf8),
            let (host, port) = Self.split(bytes[(colon + 3)...]),
            !host.contains(where: Self.isForeign)
        else { return nil }
        let scheme = Self.plainScheme(Array(bytes[..<colon]))
        let defaultPort = Self.defaultPort(of: scheme)
        // Only origins of apps may lack a host.
        guard !host.isEmpty || defaultPort == nil && port == nil else { return nil }
        self.init(scheme: scheme, host: host, port: port ?? defaultPort)
    }

    /// Returns the origin part of a URL: everything before the third slash.
    static func text(ofURL url: String) -> String {
        let slashes = url.utf8.indices.filter { url.utf8[$0] == UInt8(ascii: "/") }
        return slashes.count < 3 ? url : String(url[..<slashes[2]])
    }

    /// Returns whether `authority` names the same host and port. The scheme of a request isn't
    /// known behind a proxy that terminates TLS, so a missing port is the default of the page's
    /// scheme.
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

    /// Returns `http` for `ws` and `https` for `wss`: some programs send the WebSocket's own URL as
    /// their origin (WebSockets standard, "establish a WebSocket connection").
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

    /// Returns whether the bytes are a scheme in lower case: a letter, then letters, digits, `+`,
    /// `-` and `.` (RFC 3986 §3.1).
    private static func isScheme(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first, 0x61...0x7A ~= first else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case 0x61...0x7A, 0x30...0x39, 0x2B, 0x2D, 0x2E: true
            default: false
            }
        }
    }

    /// Returns whether a byte delimits the host of a URL, or an element of a list.
    private static func isForeign(_ byte: UInt8) -> Bool { "/?#@,\\".utf8.contains(byte) }

    private static func split(_ authority: ArraySlice<UInt8>) -> (host: [UInt8], port: Int?)? {
        // A colon within brackets belongs to an IPv6 address.
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
