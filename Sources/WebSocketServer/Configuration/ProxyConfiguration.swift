import HTTPProtocol
import HTTPTypes
import UVTransport

/// The trusted proxies in front of the server, and how they report a client's address.
public struct ProxyConfiguration: Sendable {
    /// The proxies whose information about clients is trusted. Their own addresses don't count for
    /// ``Limits/connectionsPerAddressMax``. Default none.
    public var trusted: [TrustedProxy] = []
    /// The header field in which trusted proxies list the addresses that a request came through.
    /// The client is the last of them that isn't trusted itself. Default ``Header/xForwardedFor``.
    public var header = Header.xForwardedFor
    /// Whether connections begin with a PROXY protocol header. Default ``PROXYProtocol/off``.
    public var proxyProtocol = PROXYProtocol.off

    /// A header field that lists the addresses which a request came through.
    public enum Header: Sendable, Hashable {
        /// `X-Forwarded-For`: addresses, separated by commas.
        case xForwardedFor
        /// `Forwarded` (RFC 7239).
        case forwarded
    }

    /// The use of HAProxy's PROXY protocol, versions 1 and 2.
    public enum PROXYProtocol: Sendable, Hashable {
        /// Connections begin with the client's own bytes.
        case off
        /// Every connection must begin with a header and come from a ``trusted`` proxy, or it is
        /// closed. If ``trusted`` is empty, every peer is trusted.
        case required
    }

    /// Creates the default settings: no proxy is trusted.
    public init() {}

    func trusts(_ peer: SocketAddress) -> Bool { trusted.contains { $0.contains(peer) } }

    func maySendProxyHeader(_ peer: SocketAddress) -> Bool { trusted.isEmpty || trusts(peer) }

    /// Returns the client of a request that a trusted proxy has sent.
    func client(of fields: HTTPFields, from proxy: SocketAddress) -> SocketAddress {
        let hops: ForwardedHops = header == .forwarded ? .forwarded : .xForwardedFor
        let client = hops.last(of: fields) { !trusts(SocketAddress($0, port: 0)) }
        return client.map { SocketAddress($0, port: 0) } ?? proxy
    }
}

/// A range of trusted addresses, or all peers on Unix-domain sockets.
public struct TrustedProxy: Sendable, Hashable, CustomStringConvertible {
    private enum Peers: Hashable {
        case range(IPAddress, prefix: Int)
        case unix
    }

    private let peers: Peers
    /// The notation in the configuration: `10.0.0.0/8`, `2001:db8::1`, `unix`.
    public let description: String

    /// All peers on Unix-domain sockets.
    public static let unix = TrustedProxy(peers: .unix, description: "unix")

    private init(peers: Peers, description: String) {
        self.peers = peers
        self.description = description
    }

    /// Parses an IPv4 or IPv6 address, a range such as `10.0.0.0/8`, or `unix`. Returns `nil` for
    /// anything else, and for a range with bits set after its prefix.
    public init?(_ text: String) {
        if text == "unix" {
            self = .unix
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(parts[0]) else { return nil }
        let size = if case .v4 = address { 32 } else { 128 }
        var prefix = size
        if parts.count == 2 {
            let isNumber = parts[1].utf8.allSatisfy { (0x30...0x39).contains($0) }
            guard isNumber, let number = Int(parts[1]), number <= size else { return nil }
            prefix = number
        }
        guard Self.cut(address, to: prefix) == address else { return nil }
        self.init(peers: .range(address, prefix: prefix), description: text)
    }

    func contains(_ peer: SocketAddress) -> Bool {
        switch (peers, peer.family) {
        case (.unix, .unix): true
        case (.range(let first, let prefix), .ipv4):
            first == Self.cut(.v4(UInt32(truncatingIfNeeded: peer.low)), to: prefix)
        case (.range(let first, let prefix), .ipv6):
            first == Self.cut(.v6(high: peer.high, low: peer.low), to: prefix)
        default: false
        }
    }

    /// Returns the address with all bits after its prefix cleared.
    private static func cut(_ address: IPAddress, to prefix: Int) -> IPAddress {
        switch address {
        case .v4(let number): .v4(number & ~(UInt32.max >> prefix))
        case .v6(let high, let low):
            .v6(high: high & ~(.max >> prefix), low: low & ~(.max >> max(0, prefix - 64)))
        }
    }
}

extension SocketAddress {
    init(_ address: IPAddress, port: UInt16) {
        switch address {
        case .v4(let number):
            self.init(family: .ipv4, port: port, high: 0, low: UInt64(number))
        case .v6(let high, let low): self.init(family: .ipv6, port: port, high: high, low: low)
        }
    }
}
