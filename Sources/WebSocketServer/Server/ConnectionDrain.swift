import UVTransport
import WebSocketProtocol

/// The drain of one loop's connections. Close frames are spread over a period, and the remaining
/// connections are ended at the deadline.
///
/// Clients that have just connected have a moment to send their request, which is answered: a close
/// without a word would look like a failure of the server.
final class ConnectionDrain: TimerEntry {
    private static let stepMilliseconds: UInt64 = 50
    /// The time for clients that have just connected to send a request.
    private static let arrivalMilliseconds: UInt64 = 2_000

    private let loop: EventLoop
    private let registry: ConnectionRegistry
    private let code: CloseCode
    private let start: UInt64
    private let spread: UInt64
    let deadline: UInt64
    private let waiting: [ConnectionCore]
    private var told = 0
    /// The connections that are let go once their opening handshake is answered, or has not come in
    /// time.
    private var arriving: [ConnectionCore] = []
    /// Whether the time for requests was over at the step before. A loop that was busy has read
    /// what had come meanwhile.
    private var arrivalIsOver = false

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
        let late = arriving
        arriving = []
        for connection in late { letGo(connection) }
        arrivalIsOver = now >= start + Self.arrivalMilliseconds
        if now >= deadline {
            for connection in registry.snapshot() { connection.terminate(reset: true) }
        } else if !registry.isEmpty {
            let isWaiting = told < waiting.count || !arriving.isEmpty
            let next = isWaiting ? now + Self.stepMilliseconds : deadline
            loop.schedule(self, at: min(next, deadline))
        }
    }

    private func letGo(_ connection: ConnectionCore) {
        switch connection.stage {
        case .opening:
            if let opening = connection.opening, opening.isArriving,
                !arrivalIsOver || !opening.drain(on: connection)
            {
                arriving.append(connection)
                return
            }
            if connection.opening?.drain(on: connection) ?? true { connection.endOpening() }
        case .open:
            connection.beginClosing(code, code == .goingAway ? "going away" : "service restart")
        case .closing, .lingering, .over: break
        }
    }
}
