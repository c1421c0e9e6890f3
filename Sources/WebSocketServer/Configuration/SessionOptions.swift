import HTTPProtocol
import WebSocketProtocol

/// The limits and timers of one kind of connection, in the units of the message path.
///
/// Made once from the configuration (or once a route), shared by all its connections. A reload
/// gives them other options.
final class SessionOptions: Sendable {
    /// The path of the route that has adjusted them; `nil` if none has.
    let route: String?
    let sessionLimits: SessionLimits
    /// The limits of a connection that has not authenticated.
    let unauthenticatedLimits: SessionLimits
    let compression: Compression
    /// The limits of messages and payload bytes per second; 0 means no limit.
    let messageRateMax: Int
    let byteRateMax: Int
    let ratePolicy: Limits.RatePolicy
    /// The marks of the outbox in bytes.
    let outboxHighWater: Int
    let outboxMax: Int
    /// The timers in milliseconds. 0 turns off the first three: the ping interval, the idle timeout
    /// and the lifetime.
    let pingInterval: UInt64
    let idleTimeout: UInt64
    let lifetime: UInt64
    let pongTimeout: UInt64
    let closeTimeout: UInt64
    let authenticationTimeout: UInt64
    let contextIdleTimeout: UInt64
    let messageTimeout: UInt64

    /// - Parameters:
    ///   - isServer: Whether the connections are accepted ones, whose lifetime may be limited.
    ///   - route: The path of the route; `nil` if the options are of no route.
    init(_ options: ConnectionConfiguration, isServer: Bool = true, route: String? = nil) {
        self.route = route
        let limits = options.limits
        sessionLimits = SessionLimits(
            frameSizeMax: (limits.frameSizeMax ?? limits.messageSizeMax).bytes,
            messageSizeMax: limits.messageSizeMax.bytes, fragmentsMax: limits.fragmentsMax)
        let unauthenticatedMax = min(
            limits.unauthenticatedMessageSizeMax, limits.messageSizeMax
        ).bytes
        unauthenticatedLimits = SessionLimits(
            frameSizeMax: min(unauthenticatedMax, limits.frameSizeMax?.bytes ?? .max),
            messageSizeMax: unauthenticatedMax, fragmentsMax: limits.fragmentsMax)
        compression = options.compression
        messageRateMax = limits.messageRateMax ?? 0
        byteRateMax = limits.byteRateMax?.bytes ?? 0
        ratePolicy = limits.ratePolicy
        outboxHighWater = limits.outboxHighWater.bytes
        outboxMax = limits.outboxMax.bytes
        pingInterval = options.heartbeat.interval?.milliseconds ?? 0
        pongTimeout = options.heartbeat.timeout.milliseconds
        idleTimeout = limits.idleTimeout?.milliseconds ?? 0
        lifetime = isServer ? limits.lifetime?.milliseconds ?? 0 : 0
        messageTimeout = limits.messageTimeout.milliseconds
        closeTimeout = limits.closeTimeout.milliseconds
        authenticationTimeout = limits.authenticationTimeout.milliseconds
        contextIdleTimeout = options.compression.contextIdleTimeout.milliseconds
    }

    var hasRates: Bool { messageRateMax > 0 || byteRateMax > 0 }
}

extension HTTPLimits {
    init(_ limits: Limits) {
        self.init(
            headSizeMax: limits.handshakeSizeMax.bytes, headerCountMax: limits.handshakeHeadersMax,
            bodySizeMax: limits.bodySizeMax.bytes)
    }
}
