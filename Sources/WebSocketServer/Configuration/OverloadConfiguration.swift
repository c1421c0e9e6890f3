/// The loads from which on a server refuses new connections, so that those it has don't suffer.
///
/// While it is overloaded, upgrades and requests on new connections are answered 503 with a
/// `Retry-After` that differs from client to client, except for the paths of
/// ``Router/serveAlways(_:)``. Open connections are served as before. If even that is too much, new
/// connections are closed when they are accepted. The server accepts again by itself, once every
/// measure has been well below its limit for ``recovery``.
public struct OverloadConfiguration: Sendable, Hashable {
    /// Whether the loads are measured at all, four times a second. Default true.
    public var isEnabled = true
    /// The time by which an event loop may be late. A loop that is later refuses the connections
    /// that come to it; at four times the limit, it closes them. `nil` is no limit. Default 1 s,
    /// `50 ms ... 1 m`.
    public var loopLag: Duration? = .seconds(1)
    /// The time for which a loop must be late before it refuses connections. Default 2 s,
    /// `0 s ... 1 h`.
    public var onset: Duration = .seconds(2)
    /// The resident memory of the process; a tenth above it, new connections are closed. `nil`, the
    /// default, is nine tenths of the memory of the machine, or of the control group if that has a
    /// limit. `1 MiB ... 1 TiB`.
    public var memory: ByteCount?
    /// The number of file descriptors that must be free. `nil`, the default, is 96, or fewer where
    /// `RLIMIT_NOFILE` is low; ``Limits/connectionsMax`` alone doesn't use up that many.
    /// `1 ... 10,000,000`.
    public var freeDescriptors: Int?
    /// The time for which the load must be low again before connections are accepted. Default 5 s,
    /// `100 ms ... 1 h`.
    public var recovery: Duration = .seconds(5)

    /// Makes a configuration with the defaults.
    public init() {}
}
