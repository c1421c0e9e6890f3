import UVTransport

/// A deadline that a program has set for a connection.
final class ConnectionDeadline: TimerEntry {
    private unowned let connection: ConnectionCore
    private let body: (Connection) -> Void

    init(_ connection: ConnectionCore, _ body: @escaping (Connection) -> Void) {
        self.connection = connection
        self.body = body
    }

    override func deadlinePassed(now: UInt64) {
        // Removed before it runs, since it may set another one.
        connection.resources.registry.deadlines[connection.id] = nil
        body(Connection(core: connection))
    }
}

extension Connection {
    /// The longest delay; the timer wheel wraps after four years.
    private static let delayMax = Duration.seconds(30 * 86_400)

    /// Calls `body` once on the connection's loop after `delay`, or up to 32 ms later. A connection
    /// has one such deadline: a new one replaces it. It is cancelled when the connection closes.
    ///
    /// On the connection's loop; traps elsewhere. ``MessageConnection/setDeadline(after:_:)`` works
    /// from any thread.
    ///
    /// - Parameters:
    ///   - delay: At most 30 days; a longer delay counts as 30 days.
    ///   - body: Called on the connection's loop, so it may use the handler's state.
    public func setDeadline(after delay: Duration, _ body: @escaping (Connection) -> Void) {
        precondition(core.loop.isCurrent, "a deadline is set on the connection's loop")
        clearDeadline()
        guard core.stage != .over else { return }
        let deadline = ConnectionDeadline(core, body)
        // Kept there, since the timer wheel keeps nothing alive.
        core.resources.registry.deadlines[core.id] = deadline
        let milliseconds = max(.zero, min(delay, Self.delayMax)).milliseconds
        core.loop.schedule(deadline, at: core.loop.now + milliseconds)
    }

    /// Cancels the deadline, if there is one. On the connection's loop; traps elsewhere.
    public func clearDeadline() {
        precondition(core.loop.isCurrent, "a deadline is cleared on the connection's loop")
        core.resources.registry.clearDeadline(of: core.id)
    }
}
