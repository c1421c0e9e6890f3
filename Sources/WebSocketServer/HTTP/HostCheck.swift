import HTTPProtocol
import HTTPTypes
import UVTransport

/// The check of the names in the requests of one listener, see ``HostPolicy``.
final class HostCheck: Sendable {
    private let patterns: [HostPolicy.Pattern]
    /// Whether requests that a trusted proxy passes on may have any name.
    private let ignoresProxied: Bool
    private let listener: SocketAddress

    /// Creates the check of a listener; `nil` if it accepts any name.
    init?(_ configuration: ServerConfiguration, listener: SocketAddress) {
        switch configuration.names {
        case .any: return nil
        case .automatic:
            // With the PROXY protocol, nobody but a proxy connects.
            guard listener.isLoopback, configuration.proxies.proxyProtocol == .off else {
                return nil
            }
            patterns = []
            ignoresProxied = true
        case .only(let own):
            patterns = own
            ignoresProxied = false
        }
        self.listener = listener
    }

    /// Returns whether a request is for this server.
    ///
    /// - Parameters:
    ///   - authority: The host that the request names. Only a request of HTTP/1.0 may have none,
    ///     and no browser sends one.
    ///   - isProxied: Whether a trusted proxy has sent it.
    func allows(_ authority: String?, isProxied: Bool) -> Bool {
        guard let authority, !(isProxied && ignoresProxied) else { return true }
        let bytes = authority.utf8.map(\.lowercased)
        if bytes.first == UInt8(ascii: "[") {
            let end = bytes.firstIndex(of: UInt8(ascii: "]")) ?? bytes.startIndex
            return end > 0 && isOwn(IPAddress(bytes[1..<end]))
        }
        var name = bytes.prefix { $0 != UInt8(ascii: ":") }
        if isOwn(IPAddress(name)) { return true }
        // RFC 1034 §3.1: a dot at the end makes a name absolute.
        if name.last == UInt8(ascii: ".") { name.removeLast() }
        return HostPolicy.Pattern.localhost.matches(name)
            || HostPolicy.Pattern.belowLocalhost.matches(name)
            || patterns.contains { $0.matches(name) }
    }

    /// Returns whether an address in a request is one of the listener's. Nobody else's page comes
    /// from there.
    private func isOwn(_ literal: IPAddress?) -> Bool {
        guard let literal else { return false }
        let address = SocketAddress(literal, port: 0)
        switch listener.family {
        case .unix: return false
        case .ipv4, .ipv6: break
        }
        return listener.isWildcard || address == listener.withoutPort
            || listener.isLoopback && (address == .loopbackV4 || address == .loopbackV6)
    }
}

extension HTTPFault {
    /// A 421 (Misdirected Request) for a name that isn't one of the server's, RFC 9110 §15.5.20.
    static var misdirected: HTTPFault {
        HTTPFault(
            status: .misdirectedRequest,
            detail: """
                This server doesn't answer to the name in Host. If it should, its operator has to \
                add the name to server.names.
                """)
    }
}

extension SocketAddress {
    fileprivate static let loopbackV4 = SocketAddress(
        family: .ipv4, port: 0, high: 0, low: 0x7F00_0001)
    fileprivate static let loopbackV6 = SocketAddress(family: .ipv6, port: 0, high: 0, low: 1)

    fileprivate var isLoopback: Bool {
        switch family {
        case .ipv4: low >> 24 == 127
        case .ipv6: withoutPort == .loopbackV6
        case .unix: false
        }
    }

    /// Whether a socket of this address listens on all addresses.
    fileprivate var isWildcard: Bool { family != .unix && high == 0 && low == 0 }

    fileprivate var withoutPort: SocketAddress {
        SocketAddress(family: family, port: 0, high: high, low: low)
    }
}
