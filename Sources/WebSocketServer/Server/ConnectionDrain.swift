import UVTransport
import WebSocketProtocol

/// Lets one loop's connections go: Close frames spread over a time, what is left cut after it.
final class ConnectionDrain: TimerEntry {
    private static let stepMilliseconds: UInt64 = 50

    private let context: LoopContext
    private let code: CloseCode
    private let start: UInt64
    private let spread: UInt64
    private let deadline: UInt64
    private let waiting: [ConnectionCore]
    private var told = 0

    /// Starts at once. The context keeps it until no connection is left.
    init(context: LoopContext, drain: Drain) {
        self.context = context
        code = CloseCode(rawValue: drain.closeCode)
        start = context.loop.now
        spread = drain.spread.milliseconds
        deadline = start + max(drain.deadline.milliseconds, spread)
        waiting = context.snapshot()
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
            for connection in context.snapshot() { connection.terminate(reset: true) }
        } else if unsafe !context.connections.isEmpty {
            let next = told < waiting.count ? now + Self.stepMilliseconds : deadline
            context.loop.schedule(self, at: min(next, deadline))
        }
    }

    private func letGo(_ connection: ConnectionCore) {
        switch connection.stage {
        case .opening:
            if unsafe connection.opening?.drain(on: connection) ?? true { connection.endOpening() }
        case .open:
            connection.beginClosing(code, code == .goingAway ? "going away" : "service restart")
        case .closing, .lingering, .over: break
        }
    }
}
