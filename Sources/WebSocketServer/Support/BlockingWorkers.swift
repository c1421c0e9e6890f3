import Glibc

/// A few threads for calls that may block, such as reading a file, which event loops must not make.
///
/// A thread is started when there is work and no other is idle, and stays. The queue is locked by a
/// pthread mutex, as that of an event loop is.
// Safety: the state is touched with the lock held. The only instance lives as long as the process.
@safe
final class BlockingWorkers: @unchecked Sendable {
    /// The threads of all servers of this process.
    static let shared = BlockingWorkers(threadsMax: 4)

    private let threadsMax: Int
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let workArrived: UnsafeMutablePointer<pthread_cond_t>
    private var threads = 0
    private var idle = 0
    /// The calls that wait, behind those that have been taken, which are `nil`.
    private var work: [(@Sendable () -> Void)?] = []
    /// The number of calls at the front of `work` that have been taken.
    private var taken = 0

    private init(threadsMax: Int) {
        self.threadsMax = threadsMax
        unsafe lock = .allocate(capacity: 1)
        unsafe pthread_mutex_init(lock, nil)
        unsafe workArrived = .allocate(capacity: 1)
        unsafe pthread_cond_init(workArrived, nil)
    }

    /// The error if no thread can be started.
    struct NoThread: Error {}

    /// Runs a blocking call on one of the threads, and returns its result.
    func run<Value: Sendable>(
        _ call: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let isQueued = add { continuation.resume(with: Result(catching: call)) }
            if !isQueued { continuation.resume(throwing: NoThread()) }
        }
    }

    private func add(_ call: @escaping @Sendable () -> Void) -> Bool {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        if idle <= work.count - taken, threads < threadsMax, startThread() { threads += 1 }
        guard threads > 0 else { return false }
        work.append(call)
        unsafe pthread_cond_signal(workArrived)
        return true
    }

    private func startThread() -> Bool {
        var thread = pthread_t()
        // Safety: the instance is never released.
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<BlockingWorkers>.fromOpaque(context!).takeUnretainedValue()
                    .serve()
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        if code == 0 { pthread_detach(thread) }
        return code == 0
    }

    private func serve() {
        while true { next()() }
    }

    /// Waits for work and takes it.
    private func next() -> @Sendable () -> Void {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        while taken == work.count {
            idle += 1
            unsafe pthread_cond_wait(workArrived, lock)
            idle -= 1
        }
        let call = work[taken]!
        work[taken] = nil
        taken += 1
        if taken == work.count || taken >= 1_024 {
            work.removeFirst(taken)
            taken = 0
        }
        return call
    }
}
