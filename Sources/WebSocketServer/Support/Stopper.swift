import Synchronization

/// A latch that many tasks may release and wait for.
final class Stopper: Sendable {
    private let state = Mutex(StopperState())

    func stop() {
        let waiters = state.withLock { state in
            state.isStopped = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isStopped = state.withLock { state in
                if !state.isStopped { state.waiters.append(continuation) }
                return state.isStopped
            }
            if isStopped { continuation.resume() }
        }
    }
}

/// The state of a ``Stopper``; not nested in it, which Swift 6.3 miscompiles.
struct StopperState {
    var isStopped = false
    var waiters: [CheckedContinuation<Void, Never>] = []
}
