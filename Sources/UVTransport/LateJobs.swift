import Dispatch
import Glibc

/// The jobs of tasks that outlive their loop.
///
/// Such a task may still touch what belonged to the loop. So its jobs wait until the loop's thread
/// is done, and then run one at a time, on a thread of the process's pool.
// Safety: `contents` is touched with the lock held; it owns both allocations.
@safe
struct LateJobs: ~Copyable, @unchecked Sendable {
    private struct Contents {
        var waiting = RingQueue<UnownedJob>()
        /// Whether the loop's thread is done.
        var hasBegun = false
        var isRunning = false

        var mayStart: Bool { hasBegun && !isRunning && !waiting.isEmpty }
    }

    // As in `Mailbox`, ThreadSanitizer wants a pthread mutex.
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let contents: UnsafeMutablePointer<Contents>

    init() {
        unsafe lock = .allocate(capacity: 1)
        unsafe pthread_mutex_init(lock, nil)
        unsafe contents = .allocate(capacity: 1)
        unsafe contents.initialize(to: Contents())
    }

    deinit {
        unsafe pthread_mutex_destroy(lock)
        unsafe lock.deallocate()
        unsafe contents.deinitialize(count: 1).deallocate()
    }

    /// Adds a job, which runs at once if the loop's thread is done; any thread.
    borrowing func add(_ job: UnownedJob, of loop: EventLoop) {
        run(of: loop) { $0.waiting.append(job) }
    }

    /// Runs the jobs that have waited, as the last thing that the loop's thread does.
    borrowing func begin(of loop: EventLoop) {
        run(of: loop) { $0.hasBegun = true }
    }

    /// Makes a change, and runs the jobs if they may run and none does.
    private borrowing func run(of loop: EventLoop, after change: (inout Contents) -> Void) {
        unsafe pthread_mutex_lock(lock)
        unsafe change(&contents.pointee)
        let starts = unsafe contents.pointee.mayStart
        if starts { unsafe contents.pointee.isRunning = true }
        unsafe pthread_mutex_unlock(lock)
        if starts { DispatchQueue.global().async { loop.runLateJobs() } }
    }

    /// Takes the next job; nil ends the run.
    borrowing func next() -> UnownedJob? {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        let job = unsafe contents.pointee.waiting.popFirst()
        if job == nil { unsafe contents.pointee.isRunning = false }
        return job
    }
}
