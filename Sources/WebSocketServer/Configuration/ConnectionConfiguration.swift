/// The settings of the WebSocket connections of one route: the server's, unless the route adjusts
/// them.
public struct ConnectionConfiguration: Sendable {
    /// A closure that changes the server's settings into those of a route or connection.
    public typealias Adjust = @Sendable (inout ConnectionConfiguration) -> Void

    /// The limits. Only those on messages, frames, rates, the outbox, idle time and closing apply
    /// to a route; those on handshakes and on the whole server don't.
    public var limits: Limits
    /// The heartbeat.
    public var heartbeat: Heartbeat
    /// The compression settings. ``Compression/memoryMax`` always applies to the whole server, and
    /// so do the engine, memory level and window with which publications are compressed.
    public var compression: Compression

    /// Creates the settings of a route, with the defaults for all that isn't given.
    public init(
        limits: Limits = Limits(), heartbeat: Heartbeat = Heartbeat(),
        compression: Compression = Compression()
    ) {
        self.limits = limits
        self.heartbeat = heartbeat
        self.compression = compression
    }
}
