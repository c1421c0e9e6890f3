@testable import WebSocketServer

/// Lifecycles for tests, and the times that they are given.
enum LifecycleWorld {
    /// The time at which they begin. ``CoarseTime`` holds it exactly, as it does the intervals.
    static let start: UInt64 = 3_200_000
    static let closeTimeout: UInt64 = 3_200

    /// Options without limits but the close timeout, and without heartbeat.
    static func options(
        _ configure: (inout Limits) -> Void = { _ in }, heartbeat: Heartbeat = .off
    ) -> SessionOptions {
        var options = ConnectionConfiguration(heartbeat: heartbeat)
        options.limits.closeTimeout = .milliseconds(closeTimeout)
        configure(&options.limits)
        return SessionOptions(options)
    }

    /// A lifecycle that has got to a stage, by the shortest way.
    static func lifecycle(
        in stage: ConnectionLifecycle.Stage, heartbeat: Heartbeat = .off,
        awaitsAuthentication: Bool = false, id: UInt64 = 1,
        _ configure: (inout Limits) -> Void = { _ in }
    ) -> ConnectionLifecycle {
        let options = options(configure, heartbeat: heartbeat)
        var lifecycle = ConnectionLifecycle(options: options, id: id, now: start)
        if stage == .opening { return lifecycle }
        let guards =
            awaitsAuthentication || options.hasRates
            ? ConnectionGuards(options, awaitsAuthentication: awaitsAuthentication, now: start)
            : nil
        lifecycle.open(options, guards: guards, now: start)
        switch stage {
        case .opening, .open: break
        case .closing: _ = lifecycle.close(.goingAway, now: start)
        case .lingering: _ = lifecycle.linger(now: start)
        case .over: _ = lifecycle.terminate()
        }
        return lifecycle
    }
}
