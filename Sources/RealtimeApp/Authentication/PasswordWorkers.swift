import Dispatch
import Synchronization
import WebSocketServer

/// Runs what is dear, as checking passwords is, away from the event loops: as many at once as half
/// the cores, so that the loops are left the other half, and a bounded number that waits.
final class PasswordWorkers: Sendable {
    /// Too many wait: come back later.
    struct Busy: Error {}

    private let runningMax: Int
    private let waitingMax: Int
    private let queue = DispatchQueue(label: "passwords", attributes: .concurrent)
    private let state = Mutex(PasswordWorkersState())

    init(runningMax: Int = availableCores() / 2, waitingMax: Int = 64) {
        self.runningMax = max(1, runningMax)
        self.waitingMax = waitingMax
    }

    /// Runs `work` once it is its turn; throws ``Busy`` when too many are before it.
    func run<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value
    ) async throws(Busy) -> Value {
        let result: Value? = await withCheckedContinuation { continuation in
            let job: @Sendable () -> Void = { continuation.resume(returning: work()) }
            let turn = state.withLock { $0.enter(job, runningMax, waitingMax) }
            switch turn {
            case .run: start(job)
            case .wait: break
            case .refuse: continuation.resume(returning: nil)
            }
        }
        guard let result else { throw Busy() }
        return result
    }

    private func start(_ job: @escaping @Sendable () -> Void) {
        queue.async { [self] in
            job()
            if let next = state.withLock({ $0.leave() }) { start(next) }
        }
    }
}

/// What ``PasswordWorkers`` guards; not nested in it, which Swift 6.3 miscompiles.
struct PasswordWorkersState {
    enum Turn: Sendable { case run, wait, refuse }

    private var running = 0
    private var waiting: [@Sendable () -> Void] = []

    mutating func enter(
        _ job: @escaping @Sendable () -> Void, _ runningMax: Int, _ waitingMax: Int
    ) -> Turn {
        if running < runningMax {
            running += 1
            return .run
        }
        guard waiting.count < waitingMax else { return .refuse }
        waiting.append(job)
        return .wait
    }

    /// One is done: the next, if any waits.
    mutating func leave() -> (@Sendable () -> Void)? {
        guard waiting.isEmpty else { return waiting.removeFirst() }
        running -= 1
        return nil
    }
}
