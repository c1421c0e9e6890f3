public import WebSocketProtocol

/// The settings of a ``Server``. The server takes a copy; later changes have no effect.
///
/// Creating a configuration doesn't read or change anything of the process. Values that depend on
/// the machine are `nil`, and the server derives them when it starts. ``validate()`` checks the
/// ranges.
public struct ServerConfiguration: Sendable {
    /// The addresses to listen on, one or more. Every event loop has a listening socket for each of
    /// them. Default 127.0.0.1, port 8080.
    public var addresses: [ListenAddress]

    /// The number of event loops, each with a thread of its own. `nil` means one for each core that
    /// this process may use when the server starts. Default `nil`, `1...256`; 0 is an error.
    public var loops: Int?

    /// The number of pending connections that the kernel queues for each listening socket. The
    /// kernel caps it at `net.core.somaxconn`. Default 4,096, `1...65535`.
    public var backlog: Int = 4_096

    /// Whether a socket for `::`, all IPv6 addresses, accepts IPv4 connections too. Default false.
    public var isDualStack = false
    /// The access to the files of Unix-domain sockets.
    public var unixSockets = UnixSocketConfiguration()
    /// The names in `Host` for which the server answers. Default: those of the loopback addresses
    /// on listeners there, any elsewhere.
    public var names = HostPolicy.automatic

    /// The limits on what clients may use. Routes may have others: ``ConnectionConfiguration``.
    public var limits = Limits()
    /// The heartbeat of WebSockets. Routes may have another one.
    public var heartbeat = Heartbeat()
    /// The compression of messages. Routes may have other settings.
    public var compression = Compression()
    /// The limits of topics, and the treatment of slow consumers.
    public var topics = TopicConfiguration()
    /// The certificates with which all ``addresses`` speak TLS. `nil`, the default, is plain TCP.
    public var tls: TLSContext?
    /// The way in which a graceful stop closes the connections.
    public var drain = Drain()
    /// The signs of overload, at which new connections are refused.
    public var overload = OverloadConfiguration()
    /// The trusted proxies in front of the server. Default none.
    public var proxies = ProxyConfiguration()
    /// The web pages that may open WebSockets and send requests that change something. Pages of
    /// listed origins may also read responses (CORS). Default: the server's own pages.
    public var origins = OriginPolicy.sameOrigin

    /// The CPU time of one turn of an event loop beyond which the turn is logged. `nil` turns the
    /// measurement off; it costs two system calls a turn. Default `nil`, `1 ms ... 1 h`.
    public var slowTurn: Duration?

    /// Whether the duration of every turn of the event loops is measured, for
    /// ``LoopStatistics/turns``. It costs a look at the clock each turn. Default false.
    public var measuresTurns = false

    /// The access log; `nil`, the default, is none.
    public var accessLog: AccessLogConfiguration?

    /// Whether SIGTERM and SIGINT stop the server: gracefully the first time, at once the second.
    /// After the server has stopped they are ignored, so that a late signal doesn't interrupt the
    /// rest of the program. Default false: a `ServiceGroup` or the program handles signals.
    public var handlesSignals = false

    /// Creates a configuration for one address, with the defaults for everything else. Set
    /// ``addresses`` to listen on several.
    public init(address: ListenAddress = .hostname("127.0.0.1", port: 8080)) {
        self.addresses = [address]
    }

    /// The number of event loops to start.
    var loopCount: Int {
        loops ?? min(availableCores(), RangedSettings.loops.range.upperBound)
    }
}

/// An address to listen on.
public enum ListenAddress: Sendable, Hashable {
    /// An IPv4 or IPv6 address, or a name that resolves to some. Port 0 chooses a free port.
    case hostname(String, port: Int)
    /// A Unix-domain socket. A stale socket file is replaced; any other file in its place is an
    /// error. The file is removed when the server stops.
    case unix(path: String)
    /// A TCP or Unix-domain socket that listens already, such as one that a service manager has
    /// passed to this process. The server takes the descriptor over as soon as it listens, and
    /// closes it when it stops. Sockets of the same address are shared out among the event loops.
    ///
    /// - Parameter removesFile: Whether the file of a Unix-domain socket is removed when the server
    ///   stops. It usually belongs to the process that has bound the socket.
    case inherited(descriptor: Int32, removesFile: Bool = false)
}

/// The access to the file of a Unix-domain socket, set before anyone can connect.
public struct UnixSocketConfiguration: Sendable, Hashable {
    /// The permission bits; `nil`, the default, leaves them to the umask. Clients need the
    /// permission to write. `0...0o777`.
    public var mode: Int?
    /// The group, by name or number; `nil`, the default, is that of the process. The process must
    /// be a member of it, or privileged.
    public var group: String?

    /// Makes a configuration by which the process decides on both.
    public init() {}
}

/// The heartbeat by which dead peers are found (RFC 6455 §5.5.2).
public struct Heartbeat: Sendable {
    /// The time without received bytes after which a ping is sent; `nil` turns heartbeats off. Each
    /// connection's interval is up to a tenth shorter, so that pings are spread. No ping is sent
    /// while the application or a rate limit has paused reading, because a pong would not be seen.
    /// Default 30 s, `100 ms ... 1 d`.
    public var interval: Duration? = .seconds(30)
    /// The time in which the pong, or any other byte, must arrive; otherwise the connection is
    /// closed with 1011. It starts again whenever the peer has received some of the output queued
    /// before the ping. Default 10 s, `100 ms ... 1 h`.
    public var timeout: Duration = .seconds(10)

    /// Creates the default heartbeat.
    public init() {}
}

/// The draining of connections before a stop.
public struct Drain: Sendable {
    /// The time between the request to stop and the first closed connection. Until then all clients
    /// are served, new ones too, and ``Server/isDraining`` tells load balancers to send clients
    /// elsewhere. Then the listeners are closed. Default 0 s, `0 s ... 1 h`.
    public var delay: Duration = .zero
    /// The time over which the Close frames are spread evenly. Default 10 s, `0 s ... 1 h`.
    public var spread: Duration = .seconds(10)
    /// The time after which connections that are still open are reset, at least ``spread``.
    /// Default 30 s, `0 s ... 1 h`.
    public var deadline: Duration = .seconds(30)
    /// The close code: 1012 (service restart: reconnect) or 1001 (going away). Default 1012.
    public var closeCode = CloseCode.serviceRestart

    /// Creates the default settings.
    public init() {}
}
