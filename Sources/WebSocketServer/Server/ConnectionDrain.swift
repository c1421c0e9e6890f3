import UVTransport
import WebSocketProtocol

/// The drain of one loop's connections. Close frames are spread over a period, and the remaining
/// connections are ended at the deadline.
final class ConnectionDrain: TimerEntry {
    private static let stepMilliseconds: UInt64 = 50

    private let loop: EventLoop
    private let registry: ConnectionRegistry
    private let code: CloseCode
    private let start: UInt64
    private let spread: UInt64
    let deadline: UInt64
    private let waiting: [ConnectionCore]
    private var told = 0

    /// Starts at once.
    init(loop: EventLoop, registry: ConnectionRegistry, drain: Drain) {
        self.loop = loop
        self.registry = registry
        code = drain.closeCode
        start = loop.now
        spread = drain.spread.milliseconds
        deadline = start + max(drain.deadline.milliseconds, spread)
        waiting = registry.snapshot()
        super.init()
        deadlinePassed(now: start)
    }

    override func deadlinePassed(now: UInt64) {
        let share = spread == 0 ? 1 : min(1, Double(now - start) / Double(spread))
        let due = Int((Double(waiting.count) * share).rounded(.up))
        while told < due {
            letGo(waiting[told])
            told += 1
        }
        if now >= deadline {
            for connection in registry.snapshot() { connection.terminate(reset: true) }
        } else if !registry.isEmpty {
            let next = told < waiting.count ? now + Self.stepMilliseconds : deadline
            loop.schedule(self, at: min(next, deadline))
        }
    }

    private func letGo(_ connection: ConnectionCore) {
        switch connection.stage {
        case .opening:
            if connection.opening?.drain(on: connection) ?? true { connection.endOpening() }
        case .open:
            connection.beginClosing(code, code == .goingAway ? "going away" : "service restart")
        case .closing, .lingering, .over: break
        }
    }
}
