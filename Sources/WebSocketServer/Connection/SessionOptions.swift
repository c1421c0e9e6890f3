import WebSocketProtocol

/// The limits and timers of one kind of connection, in the units of the message path.
///
/// Made once from the configuration (or once a route), shared by all its connections.
final class SessionOptions: Sendable {
    let sessionLimits: SessionLimits
    /// Bytes.
    let outboxHighWater: Int
    let outboxMax: Int
    /// Milliseconds; 0 means off for the first two.
    let pingInterval: UInt64
    let idleTimeout: UInt64
    let pongTimeout: UInt64
    let closeTimeout: UInt64

    init(limits: Limits, heartbeat: Heartbeat) {
        sessionLimits = SessionLimits(
            frameSizeMax: (limits.frameSizeMax ?? limits.messageSizeMax).bytes,
            messageSizeMax: limits.messageSizeMax.bytes, fragmentsMax: limits.fragmentsMax)
        outboxHighWater = limits.outboxHighWater.bytes
        outboxMax = limits.outboxMax.bytes
        pingInterval = heartbeat.interval?.milliseconds ?? 0
        pongTimeout = heartbeat.timeout.milliseconds
        idleTimeout = limits.idleTimeout?.milliseconds ?? 0
        closeTimeout = limits.closeTimeout.milliseconds
    }
}

extension Duration {
    /// Whole milliseconds, at least one unless the duration is zero or less.
    var milliseconds: UInt64 {
        guard self > .zero else { return 0 }
        let (seconds, attoseconds) = components
        return UInt64(seconds) * 1_000
            + UInt64((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
