/// The address of a Redis server and the login, parsed from a URL.
///
///     redis://[[user]:password@]host[:port][/database]        rediss: the same with TLS
///     unix://[[user]:password@]/path[?db=database]        or redis+unix:
///
/// User, password and path may be percent-encoded. They must be if they contain `@`, `:`, `/`, `?`,
/// `#` or `%`.
public struct RedisURL: Sendable, Hashable {
    /// The place of a Redis server.
    public enum Place: Sendable, Hashable {
        /// A name or an address; IPv6 without its brackets.
        case host(String, port: Int)
        /// The path of a Unix-domain socket, at most 107 bytes.
        case unix(path: String)
    }

    /// The reason why a URL is invalid; it completes the sentence "The URL …". It quotes nothing of
    /// the URL, which may contain a password.
    public struct Fault: Error, Sendable, Hashable {
        /// The reason, such as "must begin with redis://".
        public let problem: String
    }

    /// The place of the server. The port is 6379 if the URL has none.
    public let place: Place
    /// Whether the connection is encrypted, with the server's certificate verified.
    public let isEncrypted: Bool
    /// An ACL user of Redis 6 and later; `nil` means the default user.
    public let user: String?
    /// The password; `nil` if there is no login.
    public let password: String?
    /// The database, which is selected after the login. It doesn't matter for publications: all
    /// databases share the channels. 0 if the URL has none, `0...65_535`.
    public let database: Int

    static let portDefault = 6379
    static let databaseMax = 65_535
    /// The longest path in `sockaddr_un.sun_path`, without its terminating zero.
    static let pathSizeMax = 107

    /// Parses a URL.
    ///
    /// - Throws: ``Fault`` if the text isn't such a URL.
    public init(_ text: String) throws(Fault) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw Fault(problem: "has spaces or control characters; percent-encode them")
        }
        guard let colon = text.firstIndex(of: ":") else { throw Self.unknownScheme }
        var rest = text[text.index(after: colon)...]
        let scheme = text[..<colon].lowercased()
        isEncrypted = scheme == "rediss"
        switch scheme {
        case "redis", "rediss":
            guard rest.hasPrefix("//") else {
                throw Fault(problem: "must begin with \(scheme)://")
            }
            rest = rest.dropFirst(2)
            (user, password) = try Self.credentials(&rest)
            (place, database) = try Self.host(rest)
        case "unix", "redis+unix":
            if rest.hasPrefix("//") {
                rest = rest.dropFirst(2)
                (user, password) = try Self.credentials(&rest)
            } else {
                (user, password) = (nil, nil)
            }
            (place, database) = try Self.path(rest)
        default: throw Self.unknownScheme
        }
    }

    private static let unknownScheme = Fault(
        problem: "must begin with redis://, rediss:// or unix://")

    /// Removes `user:password@` from the front. The last `@` before the path counts, because many
    /// passwords contain one that isn't encoded.
    private static func credentials(
        _ rest: inout Substring
    ) throws(Fault) -> (user: String?, password: String?) {
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let at = authority.lastIndex(of: "@") else { return (nil, nil) }
        let parts = authority[..<at].split(
            separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        rest = rest[authority.index(after: at)...]
        let user = try decode(parts[0], "user")
        guard parts.count == 2 else {
            // A user without a password may log in with any, for example an empty one.
            return user.isEmpty ? (nil, nil) : (user, "")
        }
        return (user.isEmpty ? nil : user, try decode(parts[1], "password"))
    }

    private static func host(_ rest: Substring) throws(Fault) -> (Place, Int) {
        guard !rest.contains("?"), !rest.contains("#") else {
            throw Fault(problem: "has a query or fragment, which redis:// doesn't allow")
        }
        let authority = rest.prefix { $0 != "/" }
        var database = 0
        if authority.endIndex != rest.endIndex {
            let path = rest[rest.index(after: authority.endIndex)...]
            if !path.isEmpty { database = try number(path, 0...databaseMax, "database") }
        }
        var host = authority
        var port = portDefault
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else {
                throw Fault(problem: "lacks the ] of an IPv6 address")
            }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let after = authority[authority.index(after: end)...]
            guard after.isEmpty || after.first == ":" else {
                throw Fault(problem: "has something other than a port after its IPv6 address")
            }
            if !after.isEmpty { port = try number(after.dropFirst(), 1...65_535, "port") }
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            port = try number(
                authority[authority.index(after: colon)...], 1...65_535, "port")
        }
        guard !host.isEmpty else { throw Fault(problem: "names no host") }
        let isName = host.utf8.allSatisfy {
            Character(UnicodeScalar($0)).isLetter || Character(UnicodeScalar($0)).isNumber
                || "-._:%".utf8.contains($0)
        }
        guard isName, host.utf8.count <= 253 else { throw Fault(problem: "has no valid host") }
        return (.host(String(host), port: port), database)
    }

    private static func path(_ rest: Substring) throws(Fault) -> (Place, Int) {
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var database = 0
        if parts.count == 2 {
            guard parts[1].hasPrefix("db=") else {
                throw Fault(problem: "has a query other than db=NUMBER")
            }
            database = try number(parts[1].dropFirst(3), 0...databaseMax, "database")
        }
        let path = try decode(parts[0], "path")
        guard path.hasPrefix("/"), path.utf8.count <= pathSizeMax, !path.utf8.contains(0) else {
            throw Fault(
                problem: "needs an absolute path of up to \(pathSizeMax) bytes, as "
                    + "unix:///run/redis.sock")
        }
        return (.unix(path: path), database)
    }

    private static func number(
        _ text: Substring, _ range: ClosedRange<Int>, _ what: String
    ) throws(Fault) -> Int {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let value = Int(text), range.contains(value)
        else {
            throw Fault(
                problem: "has a \(what) that is not a whole number from \(range.lowerBound) to "
                    + "\(range.upperBound)")
        }
        return value
    }

    /// Decodes percent-encoding (RFC 3986 §2.1).
    private static func decode(_ text: Substring, _ what: String) throws(Fault) -> String {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexadecimal),
                let low = rest.popFirst().flatMap(hexadecimal)
            else {
                throw Fault(
                    problem: "has a \(what) with a % that two hexadecimal digits don't follow")
            }
            bytes.append(high << 4 | low)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw Fault(problem: "has a \(what) that is not UTF-8")
        }
        return decoded
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension RedisURL: CustomStringConvertible {
    /// The URL without user and password.
    public var description: String {
        switch place {
        case .host(let host, let port):
            let host = host.contains(":") ? "[\(host)]" : host
            let scheme = isEncrypted ? "rediss" : "redis"
            return "\(scheme)://\(host):\(port)" + (database == 0 ? "" : "/\(database)")
        case .unix(let path):
            return "unix://\(path)" + (database == 0 ? "" : "?db=\(database)")
        }
    }
}
