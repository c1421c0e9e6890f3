/// What holds for the WebSocket connections of one route: the server's own values, unless the
/// route adjusts them.
public struct ConnectionOptions: Sendable {
    /// Changes the values that hold for all to those of one route or connection.
    public typealias Adjust = @Sendable (inout ConnectionOptions) -> Void

    /// Of these, those of messages, fragments, rates, the outbox, idleness and closing count here;
    /// those of handshakes and of whole servers do not.
    public var limits: Limits
    public var heartbeat: Heartbeat
    /// ``Compression/memoryMax`` is the whole server's, and so are engine, memory level and window of
    /// what several subscribers are sent.
    public var compression: Compression

    public init(
        limits: Limits = Limits(), heartbeat: Heartbeat = Heartbeat(),
        compression: Compression = Compression()
    ) {
        self.limits = limits
        self.heartbeat = heartbeat
        self.compression = compression
    }
}
