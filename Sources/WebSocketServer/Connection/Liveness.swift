/// The signs of life of a connection: its heartbeat, and the operations that have taken too long.
///
/// A part of ``ConnectionLifecycle``. Times are milliseconds of one clock, passed in.
struct Liveness {
    private(set) var lastReceived: CoarseTime
    /// The time of the last message in either direction.
    private(set) var lastMessage: CoarseTime
    private(set) var pingSent: CoarseTime
    /// The time when the incomplete message began; ``CoarseTime/never`` if there is none.
    private var assemblyBegan = CoarseTime.never
    /// The reduction of the ping interval and of the lifetime, in 10,240ths.
    private let shortening: UInt16
    /// A ping has been sent, and no byte has come since.
    private(set) var awaitsPong = false

    /// - Parameter id: The connection's number, by which the pings and the ends of connections are
    ///   spread.
    init(id: UInt64, now: UInt64) {
        shortening = UInt16((id &* 0x9E37_79B9_7F4A_7C15) >> 32 & 1_023)
        lastReceived = CoarseTime(now)
        lastMessage = CoarseTime(now)
        pingSent = CoarseTime(now)
    }

    // MARK: - Traffic

    /// Records that bytes have arrived, or that the peer has acknowledged some.
    @inline(__always)
    mutating func received(now: UInt64) { lastReceived = CoarseTime(now) }

    /// Records that the bytes received last have completed a message.
    @inline(__always)
    mutating func receivedMessage() { lastMessage = lastReceived }

    /// Records that a message has been sent, or that messages flow from now on.
    @inline(__always)
    mutating func sentMessage(now: UInt64) { lastMessage = CoarseTime(now) }

    /// Records that part of a message is kept from now on.
    mutating func beganAssembly(now: UInt64) { assemblyBegan = CoarseTime(now) }
    mutating func endedAssembly() { assemblyBegan = .never }

    // MARK: - Deadlines

    /// Returns the time of the next check; `.max` if nothing is awaited.
    ///
    /// - Parameter holdsContext: Whether a compression context is held until the connection is
    ///   idle.
    func nextDeadline(_ options: SessionOptions, holdsContext: Bool, now: UInt64) -> UInt64 {
        var next = UInt64.max
        if awaitsPong {
            // If the interval is the shorter of both, a pong that has come by then is noticed in
            // time for the next ping.
            let first = pingSent + min(options.pingInterval, options.pongTimeout)
            next = now < first ? first : pingSent + options.pongTimeout
        } else if options.pingInterval > 0 {
            next = lastReceived + pingInterval(options)
        }
        if options.idleTimeout > 0 { next = min(next, lastMessage + options.idleTimeout) }
        if holdsContext { next = min(next, lastMessage + options.contextIdleTimeout) }
        if assemblyBegan != .never { next = min(next, assemblyBegan + options.messageTimeout) }
        return next
    }

    /// Returns the interval between pings, shortened by up to a tenth. The reduction is constant
    /// for each connection, and keeps connections made together from pinging together.
    func pingInterval(_ options: SessionOptions) -> UInt64 {
        shortened(options.pingInterval)
    }

    /// Returns the lifetime, shortened by up to a tenth, so that connections made together don't
    /// end together.
    func lifetime(_ options: SessionOptions) -> UInt64 { shortened(options.lifetime) }

    private func shortened(_ interval: UInt64) -> UInt64 {
        max(1, interval - interval * UInt64(shortening) / 10_240)
    }

    func isIdle(_ options: SessionOptions, now: UInt64) -> Bool {
        options.idleTimeout > 0 && now >= lastMessage + options.idleTimeout
    }

    func isContextIdle(_ options: SessionOptions, now: UInt64) -> Bool {
        now >= lastMessage + options.contextIdleTimeout
    }

    func isAssemblyOverdue(_ options: SessionOptions, now: UInt64) -> Bool {
        assemblyBegan != .never && now >= assemblyBegan + options.messageTimeout
    }

    /// The action that the heartbeat requires.
    enum Heartbeat { case nothing, sendPing, peerIsDead }

    /// Checks the heartbeat.
    ///
    /// - Parameter takesSome: Finds out whether the peer has taken some of the bytes sent before
    ///   the ping. Called only if the pong is overdue.
    mutating func checkHeartbeat(
        _ options: SessionOptions, now: UInt64, takesSome: () -> Bool
    ) -> Heartbeat {
        if lastReceived >= pingSent { awaitsPong = false }
        if awaitsPong {
            guard now >= pingSent + options.pongTimeout else { return .nothing }
            // The ping waits behind earlier bytes: a peer that takes some of those is alive.
            guard takesSome() else { return .peerIsDead }
            pingSent = CoarseTime(now)
        } else if options.pingInterval > 0, now >= lastReceived + pingInterval(options) {
            pingSent = CoarseTime(now)
            awaitsPong = true
            return .sendPing
        }
        return .nothing
    }
}
