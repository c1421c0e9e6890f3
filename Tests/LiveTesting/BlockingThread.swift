import Glibc

/// A thread that runs only the jobs of an actor, which may block it.
// Safety: the queue is guarded by the lock. Both live as long as the thread's own reference.
@safe
final class BlockingThread: SerialExecutor, @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let wakeUp: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [UnownedJob] = []
    private var isStopped = false

    init() {
        unsafe lock = .allocate(capacity: 1)
        unsafe wakeUp = .allocate(capacity: 1)
        unsafe pthread_mutex_init(lock, nil)
        unsafe pthread_cond_init(wakeUp, nil)
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<BlockingThread>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(code == 0, "can't start a thread")
        pthread_detach(thread)
    }

    deinit {
        unsafe pthread_mutex_destroy(lock)
        unsafe pthread_cond_destroy(wakeUp)
        unsafe lock.deallocate()
        unsafe wakeUp.deallocate()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        unsafe pthread_mutex_lock(lock)
        jobs.append(job)
        unsafe pthread_cond_signal(wakeUp)
        unsafe pthread_mutex_unlock(lock)
    }

    /// Ends the thread after its jobs are done.
    func stop() {
        unsafe pthread_mutex_lock(lock)
        isStopped = true
        unsafe pthread_cond_signal(wakeUp)
        unsafe pthread_mutex_unlock(lock)
    }

    private func run() {
        while let job = next() { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
    }

    private func next() -> UnownedJob? {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        while jobs.isEmpty {
            if isStopped { return nil }
            unsafe pthread_cond_wait(wakeUp, lock)
        }
        return jobs.removeFirst()
    }
}
