/// An address that a server listens on.
public enum BoundAddress: Sendable, Hashable, CustomStringConvertible {
    /// An IPv4 or IPv6 address, the latter without brackets. If port 0 was configured, the port is
    /// the one that the kernel has chosen.
    case ip(host: String, port: Int)
    /// The path of a Unix-domain socket.
    case unix(path: String)

    /// The port; `nil` for a Unix-domain socket.
    public var port: Int? {
        if case .ip(_, let port) = self { port } else { nil }
    }

    /// The authority of a URL: `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/apus.sock`.
    public var description: String {
        switch self {
        case .ip(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
