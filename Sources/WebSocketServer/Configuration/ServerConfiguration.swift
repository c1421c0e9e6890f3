/// Everything a ``Server`` is told before it starts: an immutable snapshot once handed over.
public struct ServerConfiguration: Sendable {
    /// Where to listen; each address gets a listening socket on every loop.
    public var addresses: [ListenAddress]

    /// Event loops, one thread each, `1...256`. Default: the cores this process may use.
    public var loops: Int

    /// Pending connections the kernel queues for each listening socket, `1...65535`.
    /// Default 4,096 (the kernel caps it at `net.core.somaxconn`).
    public var backlog: Int = 4_096

    public var limits = Limits()
    public var heartbeat = Heartbeat()
    public var compression = Compression()
    public var topics = TopicOptions()
    public var drain = Drain()
    public var proxies = ProxyOptions()
    /// Which pages may upgrade, and send requests that change something. Default: the server's own.
    public var origins = OriginPolicy.sameOrigin

    /// SIGTERM and SIGINT stop the server, gracefully the first time, at once the second; once it
    /// has stopped they are ignored, so that a late one can't spoil the program's own end.
    /// Default false: a `ServiceGroup` or the program itself sees to signals.
    public var handlesSignals = false

    /// A configuration for one address with every other value at its default.
    public init(address: ListenAddress = .hostname("127.0.0.1", port: 8080)) {
        self.addresses = [address]
        self.loops = availableCores()
    }
}

/// An address to listen on.
public enum ListenAddress: Sendable, Hashable {
    /// An IPv4 or IPv6 address, or a name that resolves to some; port 0 picks a free one.
    case hostname(String, port: Int)
    /// A Unix-domain socket. A stale socket file is replaced, anything else in its place is an
    /// error; the file goes when the server stops.
    case unix(path: String)
}

/// How long a silent peer is believed alive (RFC 6455 §5.5.2).
public struct Heartbeat: Sendable {
    /// Silence after which a ping goes out; `nil` turns heartbeats off. Default 30 s,
    /// `100 ms ... 1 d`. Each connection's own interval is jittered: up to a tenth shorter. None
    /// goes out while the application has reading paused, or a rate has: who doesn't read can't
    /// tell a silent peer from a live one.
    public var interval: Duration? = .seconds(30)
    /// Time within which the pong, or any other byte, must arrive; else the connection is closed
    /// with 1011. It begins anew while the peer takes what was sent before the ping. Default 10 s,
    /// `100 ms ... 1 h`.
    public var timeout: Duration = .seconds(10)

    public init() {}
}

/// How connections are let go before a stop.
public struct Drain: Sendable {
    /// The time from the stop until listeners are closed and the first connection is let go: so
    /// long is everyone still served, while ``Server/isDraining`` tells load balancers to send no
    /// one more. Default 0 s, `0 s ... 1 h`.
    public var delay: Duration = .zero
    /// The time over which the Close frames to all connections are spread evenly.
    /// Default 10 s, `0 s ... 1 h`.
    public var spread: Duration = .seconds(10)
    /// The time after which what is still open is cut; at least `spread`.
    /// Default 30 s, `0 s ... 1 h`.
    public var deadline: Duration = .seconds(30)
    /// The close code: 1001 (going away) or 1012 (service restart: reconnect). Default 1012.
    public var closeCode: UInt16 = 1012

    public init() {}
}
