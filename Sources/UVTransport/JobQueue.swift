import CLibuv
import Synchronization

/// The jobs of one loop: those of its own thread, and a mailbox for those of other threads.
///
/// Jobs run at the end of a turn, for a limited time between two polls for events.
// Safety: `turn` and `wakeUp` are the loop's, which outlives its queue. Except for `post`, members
// are for the loop's thread.
@safe
final class JobQueue {
    /// The nanoseconds that jobs may run between two polls for events.
    private static let nanosecondsMax: UInt64 = 4_000_000
    /// The number of jobs between two looks at the clock.
    private static let jobsPerLook = 4
    /// The number of looks at a manual clock after which the next poll comes.
    private static let looksMax = 1_024

    private let mailbox = Mailbox()
    private let turn: UnsafeMutablePointer<TurnState>
    private let wakeUp: UnsafeMutablePointer<uv_async_t>
    // Safety: no function of the queue calls back.
    @exclusivity(unchecked) private var dueStorage = RingQueue<LoopWork>()
    private var taken: [LoopWork] = []
    /// The poll that the following three belong to, by the time of the loop's clock.
    private var polledAt: UInt64 = 0
    private var jobsSinceLook = 0
    /// The time at which the jobs that are due make way for the next poll; 0 before the first look
    /// at the clock.
    private var endsAt: UInt64 = 0
    private var isTimeOver = false
    /// The loop's own handles are closing, and can't be woken any more.
    private var isClosed = false

    /// Whether jobs run for a limited time; otherwise it is a limited number of them, as a manual
    /// clock wants it.
    private let isTimed: Bool
    private var looksLeft = 0

    init(
        turn: UnsafeMutablePointer<TurnState>, wakeUp: UnsafeMutablePointer<uv_async_t>,
        isTimed: Bool
    ) {
        self.isTimed = isTimed
        unsafe self.turn = unsafe turn
        unsafe self.wakeUp = unsafe wakeUp
    }

    var isEmpty: Bool { due.isEmpty }

    /// The number of jobs that are due.
    var count: Int { due.count }

    @inline(__always) private var due: RingQueue<LoopWork> {
        _read { yield unsafe dueStorage }
        _modify { yield unsafe &dueStorage }
    }

    /// Whether work has been posted that ``takeMail()`` has not taken yet.
    var hasMail: Bool { !mailbox.isEmpty }

    /// Adds work that runs at the end of this turn.
    func add(_ work: LoopWork) {
        due.append(work)
        unsafe turn.pointee.hasWork = true
    }

    /// Adds work that runs in a later turn; any thread. False when the loop has stopped.
    func post(_ work: LoopWork) -> Bool {
        mailbox.add(work) { unsafe uv_async_send(wakeUp) }
    }

    /// Makes the mailbox's work due in this turn.
    func takeMail() {
        mailbox.take(into: &taken)
        for work in taken { due.append(work) }
        unsafe turn.pointee.hasWork = !due.isEmpty
        taken.removeAll(keepingCapacity: true)
    }

    /// Refuses further work of other threads. Work accepted earlier is run in this turn.
    func close() {
        isClosed = true
        mailbox.close()
        takeMail()
    }

    /// Waits, after ``close()``, until no thread is about to wake the loop.
    func waitForWakers() { mailbox.waitForWakers() }

    /// Wakes the loop for another turn.
    func wake() {
        if !isClosed { unsafe uv_async_send(wakeUp) }
    }

    /// Runs the jobs that are due, as long as there is time; the others run in a later turn.
    ///
    /// - Parameter now: The loop's clock, which stands still between two polls.
    func run(on executor: UnownedTaskExecutor, now: UInt64) {
        if !isTimed {
            (looksLeft, jobsSinceLook, isTimeOver) = (Self.looksMax, 0, false)
        } else if now != polledAt {
            (polledAt, jobsSinceLook, endsAt, isTimeOver) = (now, 0, 0, false)
        }
        while !isTimeOver, let work = due.popFirst() {
            switch work {
            case .job(let job):
                // The executor is not passed as a serial one: then each call of a nonisolated
                // function would leave its isolation, by way of the queue.
                unsafe job.runSynchronously(on: executor)
            case .closure(let closure): closure()
            }
            jobsSinceLook &+= 1
            if jobsSinceLook == Self.jobsPerLook { lookAtClock() }
        }
        if due.isEmpty {
            unsafe turn.pointee.hasWork = false
        } else {
            wake()
        }
    }

    /// Finds out whether the jobs have used up their time. One poll may find events for many
    /// streams, each of which adds jobs, so the jobs of all are counted together.
    private func lookAtClock() {
        jobsSinceLook = 0
        if !isTimed {
            looksLeft -= 1
            isTimeOver = looksLeft == 0
            return
        }
        let time = uv_hrtime()
        if endsAt == 0 { endsAt = time + Self.nanosecondsMax }
        isTimeOver = time > endsAt
    }
}
