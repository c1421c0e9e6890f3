import Dispatch
import Synchronization
import WebSocketServer

/// An executor for expensive work such as checking passwords, away from the event loops. It runs as
/// many jobs at once as there are cores, divided by two, so that the loops keep the other half. The
/// number of waiting jobs is limited.
final class PasswordWorkers: Sendable {
    /// The error if too many jobs wait: the client may retry later.
    struct Busy: Error {}

    private let runningMax: Int
    private let waitingMax: Int
    private let queue = DispatchQueue(label: "passwords", attributes: .concurrent)
    private let state = Mutex(PasswordWorkersState())

    init(runningMax: Int = availableCores() / 2, waitingMax: Int = 64) {
        self.runningMax = max(1, runningMax)
        self.waitingMax = waitingMax
    }

    /// Runs `work` when it is its turn. Throws ``Busy`` if too many jobs wait.
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

/// The state that ``PasswordWorkers`` guards. It isn't nested, because Swift 6.3 miscompiles that.
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

    /// Ends a job. Returns the next one, if any waits.
    mutating func leave() -> (@Sendable () -> Void)? {
        guard waiting.isEmpty else { return waiting.removeFirst() }
        running -= 1
        return nil
    }
}
