package import UVTransport

/// The destination of a WebSocket URL (RFC 6455 §3): `ws://host:port/path?query`, and for
/// Unix-domain sockets `ws+unix:/run/apus.sock:/path?query`.
package struct WebSocketURL: Sendable, Hashable {
    package enum Place: Sendable, Hashable {
        case host(String, port: Int)
        case unix(path: String)
    }

    package let place: Place
    /// The `Host` header's value.
    package let authority: String
    /// The path and query; at least `/`.
    package let target: String
    /// Whether the scheme is `wss`, which needs TLS.
    package let isEncrypted: Bool

    /// - Parameter hasTLS: whether the caller can speak TLS; `wss` is refused otherwise.
    package init(_ text: String, hasTLS: Bool = false) throws(ClientError) {
        func invalid(_ detail: String) -> ClientError {
            ClientError(.invalidURL, "\(detail): \(text)")
        }
        // First, since the errors below quote the URL, and this one must not.
        guard !Self.hasUserInformation(text) else {
            throw ClientError(
                .invalidURL,
                "a user or password in a URL isn't supported: send an Authorization header")
        }
        guard !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw invalid("a URL has no spaces or control characters")
        }
        // §3: fragment identifiers MUST NOT be used.
        guard !text.utf8.contains(0x23) else { throw invalid("a WebSocket URL has no fragment") }
        guard let colon = text.firstIndex(of: ":") else {
            throw invalid("not a URL of the form ws://host:port/path")
        }
        let rest = text[text.index(after: colon)...]
        let scheme = text[..<colon].lowercased()
        isEncrypted = scheme == "wss"
        if isEncrypted, !hasTLS {
            throw ClientError(.schemeNotSupported, "wss needs TLS, which is not built in")
        }
        switch scheme {
        case "ws", "wss":
            guard rest.hasPrefix("//") else { throw invalid("// must follow the scheme") }
            let hierarchy = rest.dropFirst(2)
            let end = hierarchy.firstIndex { $0 == "/" || $0 == "?" } ?? hierarchy.endIndex
            guard let (host, port) = Self.hostAndPort(hierarchy[..<end]) else {
                throw invalid("the host or port is invalid")
            }
            place = .host(host, port: port ?? (isEncrypted ? 443 : 80))
            authority = String(hierarchy[..<end])
            target = Self.target(hierarchy[end...])
        case "ws+unix":
            var path = rest
            while path.hasPrefix("//") { path = path.dropFirst() }
            let end = path.firstIndex(of: ":") ?? path.endIndex
            guard end > path.startIndex else { throw invalid("the socket's path is missing") }
            place = .unix(path: String(path[..<end]))
            authority = "localhost"
            target = Self.target(end == path.endIndex ? "" : path[end...].dropFirst())
        default: throw invalid("the scheme must be ws\(hasTLS ? ", wss" : "") or ws+unix")
        }
    }

    /// Returns whether text that is meant as a URL contains a user or password
    /// (`ws://user:password@host`).
    ///
    /// RFC 6455 §3 does not allow them in WebSocket URLs. URLs that are invalid in other ways are
    /// checked too, since an error message must not repeat the password.
    package static func hasUserInformation(_ text: String) -> Bool {
        guard let colon = text.firstIndex(of: ":"), text[..<colon].lowercased() != "ws+unix"
        else { return false }
        let hierarchy = text[text.index(after: colon)...].drop { $0 == "/" }
        return hierarchy.prefix { $0 != "/" && $0 != "?" && $0 != "#" }.contains("@")
    }

    private static func target(_ text: Substring) -> String {
        text.hasPrefix("/") ? String(text) : "/" + text
    }

    /// Returns the host without brackets, and the port if there is one; `nil` if malformed.
    private static func hostAndPort(_ text: Substring) -> (String, Int?)? {
        let host: Substring
        let rest: Substring
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = text[..<close].dropFirst()
            rest = text[close...].dropFirst()
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." })
            else { return nil }
        } else {
            let end = text.firstIndex(of: ":") ?? text.endIndex
            host = text[..<end]
            rest = text[end...]
            guard
                !host.isEmpty,
                host.utf8.allSatisfy({
                    switch $0 {
                    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                    default: false
                    }
                })
            else { return nil }
        }
        if rest.isEmpty { return (String(host), nil) }
        let digits = rest.dropFirst()
        guard rest.hasPrefix(":"), digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }),
            let port = Int(digits), 1...65_535 ~= port
        else { return nil }
        return (String(host), port)
    }

    /// Returns the addresses to try. Looks names up on a thread of its own, which may take a while.
    package func addresses() async throws(ClientError) -> [ConnectAddress] {
        try await place.addresses()
    }
}

extension WebSocketURL.Place {
    /// Returns the addresses to try, as ``addresses()`` does, unless that takes too long or the
    /// task is cancelled: a lookup itself can't be ended.
    ///
    /// - Parameter lookUp: ``addresses()``, which tests replace.
    func addresses(
        within timeout: Duration,
        lookUp: @escaping @Sendable (Self) async throws(ClientError) -> [ConnectAddress] = {
            place throws(ClientError) in try await place.addresses()
        }
    ) async throws(ClientError) -> [ConnectAddress] {
        let first = FirstValue<Result<[ConnectAddress], ClientError>>()
        Task {
            do throws(ClientError) {
                first.set(.success(try await lookUp(self)))
            } catch {
                first.set(.failure(error))
            }
        }
        let timer = Task {
            try await Task.sleep(for: timeout)
            first.set(.failure(ClientError(.timedOut, "the host's name was not looked up in time")))
        }
        defer { timer.cancel() }
        let result = await withTaskCancellationHandler {
            await first.wait()
        } onCancel: {
            first.set(.failure(ClientError(.cancelled, "cancelled")))
        }
        return try result.get()
    }

    /// Returns the addresses to try; see ``WebSocketURL/addresses()``.
    func addresses() async throws(ClientError) -> [ConnectAddress] {
        do throws(TransportError) {
            switch self {
            case .unix(let path): return [try .unix(path: path)]
            case .host(let host, let port):
                return try await ConnectAddress.lookUp(host: host, port: port)
            }
        } catch {
            throw ClientError(.cannotConnect, "\(error)", underlying: error)
        }
    }
}
