import Glibc
import Synchronization

/// One thing to do on a loop: a Swift job, or a closure.
enum LoopWork: Sendable {
    case job(UnownedJob)
    case closure(@Sendable () -> Void)
}

/// Work for a loop from other threads. However many threads add work, the loop is woken once.
///
/// It is locked by a pthread mutex, since ThreadSanitizer doesn't see a `Mutex` that threads
/// contend for.
// Safety: `work` and `isClosed` are touched with the lock held; it owns both allocations.
@safe
struct Mailbox: ~Copyable, @unchecked Sendable {
    private struct Contents {
        var work: [LoopWork] = []
        var isClosed = false
    }

    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let contents: UnsafeMutablePointer<Contents>
    /// The number of threads that are about to wake the loop.
    private let waking = Atomic<Int>(0)

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

    /// Adds work. Returns false if the loop has stopped. `wakeUp` is called for the first work
    /// since the last ``take(into:)``, outside the lock, which the loop then takes.
    borrowing func add(_ work: LoopWork, wakeUp: () -> Void) -> Bool {
        unsafe pthread_mutex_lock(lock)
        if unsafe contents.pointee.isClosed {
            unsafe pthread_mutex_unlock(lock)
            return false
        }
        unsafe contents.pointee.work.append(work)
        let isFirst = unsafe contents.pointee.work.count == 1
        if isFirst { waking.add(1, ordering: .relaxed) }
        unsafe pthread_mutex_unlock(lock)
        if isFirst {
            wakeUp()
            waking.subtract(1, ordering: .releasing)
        }
        return true
    }

    /// Takes all work out. The storage of `buffer` is used for later work.
    borrowing func take(into buffer: inout [LoopWork]) {
        buffer.removeAll(keepingCapacity: true)
        unsafe pthread_mutex_lock(lock)
        unsafe swap(&contents.pointee.work, &buffer)
        unsafe pthread_mutex_unlock(lock)
    }

    var isEmpty: Bool {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        return unsafe contents.pointee.work.isEmpty
    }

    /// Refuses all later work.
    borrowing func close() {
        unsafe pthread_mutex_lock(lock)
        unsafe contents.pointee.isClosed = true
        unsafe pthread_mutex_unlock(lock)
    }

    /// Waits, after ``close()``, until no thread is about to wake the loop.
    borrowing func waitForWakers() {
        while waking.load(ordering: .acquiring) != 0 { sched_yield() }
    }
}
