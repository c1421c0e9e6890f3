public import CLibuv
import Glibc
public import Synchronization

/// One thread with one libuv loop: everything of a connection happens on its loop.
///
/// It is an executor, so `async` code that prefers it runs between I/O callbacks without a hop.
/// Each callback of libuv is a *turn*: it ends by running the jobs that it caused and by sending
/// what it wrote. Except where noted, members are to be used on the loop's own thread.
// Safety: it owns what its pointers point to, from `init` to `deinit`.
@safe
public final class EventLoop: TaskExecutor, @unchecked Sendable {
    // Safety: mutable state is touched on the loop's thread only; other threads go through
    // `mailbox`, which locks.

    /// The size of the one read buffer that all streams of the loop share.
    public static let readBufferSize = 256 << 10
    static let corkSize = 256 << 10
    /// Nanoseconds that jobs run between two polls for events, and the number of jobs between two
    /// looks at the time, a power of two.
    private static let jobNanosecondsMax: UInt64 = 4_000_000
    private static let jobsPerLook = 4
    /// Bytes that all streams read between two polls before their reads are short.
    private static let polledBytesMax = 4 << 20
    private static let shortReadSize = 4_096
    static let notedReadSizeMin = 4_096
    /// Milliseconds by which a timer may be late without a look at events first.
    private static let latenessMax: UInt64 = 1
    /// Turns that a stopped loop still gives to its last callbacks and jobs.
    private static let lastTurns = 1_024

    public let index: Int
    @usableFromInline let uv: UnsafeMutablePointer<uv_loop_t>
    private let wakeUp: UnsafeMutablePointer<uv_async_t>
    private let timer: UnsafeMutablePointer<uv_timer_t>
    public let turn: UnsafeMutablePointer<TurnState>
    let readBuffer: UnsafeMutableRawPointer
    /// Bytes of one read of any stream, at most: 1…``readBufferSize``.
    @exclusivity(unchecked) public var readSize = EventLoop.readBufferSize

    private let mailbox = Mailbox()
    private var taken: [LoopWork] = []
    private var ready: [LoopWork] = []
    private var wheel: TimerWheel
    private var wheelWakeUp: UInt64?
    /// Deadlines up to this time have passed and are enforced once events have had their turn.
    private var overdue: UInt64?
    private var isStopping = false
    private var turnWatch: TurnWatch?
    /// When jobs that are due make way for the next poll, 0 before the first look at the time; for
    /// the poll at this time of the loop's clock.
    private var jobsUntil: UInt64 = 0
    private var jobsPolled: UInt64 = 0
    /// Bytes that have been read since the poll at this time of the loop's clock.
    @exclusivity(unchecked) private var polledBytes = 0
    @exclusivity(unchecked) private var bytesPolled: UInt64 = 0
    private var joinable = uv_thread_t()
    /// Open libuv handles that hold memory: zero once everything is released (the ledger).
    public internal(set) var openHandles = 0

    init(index: Int) throws(TransportError) {
        self.index = index
        unsafe uv = .allocate(capacity: 1)
        var code = unsafe uv_loop_init(uv)
        if code < 0 {
            unsafe uv.deallocate()
            throw TransportError(code: code, operation: "make an event loop")
        }
        unsafe wakeUp = .allocate(capacity: 1)
        // Its first handle needs a descriptor.
        code = unsafe uv_async_init(uv, wakeUp) { handle in
            unsafe EventLoop.of(handle!.pointee.loop).runMailbox()
        }
        if code < 0 {
            unsafe uv_loop_close(uv)
            unsafe uv.deallocate()
            unsafe wakeUp.deallocate()
            throw TransportError(code: code, operation: "make an event loop")
        }
        unsafe timer = .allocate(capacity: 1)
        unsafe turn = .allocate(capacity: 1)
        unsafe turn.initialize(to: TurnState(corkCapacity: Self.corkSize))
        unsafe readBuffer = .allocate(byteCount: Self.readBufferSize, alignment: 64)
        wheel = unsafe TimerWheel(now: uv_now(uv))
        unsafe uv.pointee.data = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe uv_timer_init(uv, timer)
        unsafe uv_unref(UnsafeMutableRawPointer(timer).assumingMemoryBound(to: uv_handle_t.self))
    }

    static func of(_ loop: UnsafeMutablePointer<uv_loop_t>) -> EventLoop {
        unsafe Unmanaged<EventLoop>.fromOpaque(loop.pointee.data).takeUnretainedValue()
    }

    // MARK: - Thread

    /// Starts the thread; the loop then runs until ``stop()``.
    func start() throws(TransportError) {
        let code = unsafe uv_thread_create(
            &joinable,
            { context in
                unsafe Unmanaged<EventLoop>.fromOpaque(context!).takeUnretainedValue().run()
            }, unsafe Unmanaged.passUnretained(self).toOpaque())
        try TransportError.check(code, "start a thread")
    }

    private func run() {
        unsafe turn.pointee.thread.store(apus_thread_word(), ordering: .relaxed)
        unsafe pthread_setname_np(pthread_self(), "loop-\(index)")
        blockBrokenPipeSignal()
        unsafe uv_run(uv, UV_RUN_DEFAULT)
        finishRunning()
        // The next thread made is likely to get this one's number.
        unsafe turn.pointee.thread.store(0, ordering: .relaxed)
    }

    /// What a loop's thread logs must not end the process when the log's reader has left.
    private func blockBrokenPipeSignal() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// After ``stop()``: lets handles that are closing call back and jobs run, so that no task
    /// waits for ever. A handle that was left open is told by ``openHandles``, not waited for.
    private func finishRunning() {
        var turns = 0
        while turns < Self.lastTurns, unsafe uv_loop_alive(uv) != 0 || !ready.isEmpty {
            unsafe uv_run(uv, UV_RUN_NOWAIT)
            endTurn()
            turns += 1
        }
        // uv_async_send on a loop that is closed would abort.
        mailbox.waitForWakers()
        unsafe uv_loop_close(uv)
    }

    /// Ends the loop, for which all handles are to be closed; any thread. Join with ``join()``.
    func stop() {
        execute { [self] in
            isStopping = true
            // What was accepted until here is run all the same.
            mailbox.close()
            takeMail()
            turnWatch?.close()
            turnWatch = nil
            unsafe uv_close(
                UnsafeMutableRawPointer(wakeUp).assumingMemoryBound(to: uv_handle_t.self), nil)
            unsafe uv_close(
                UnsafeMutableRawPointer(timer).assumingMemoryBound(to: uv_handle_t.self), nil)
            unsafe uv_stop(uv)
        }
    }

    /// Ends a loop whose thread could not be started.
    func closeUnstarted() {
        unsafe uv_close(
            UnsafeMutableRawPointer(wakeUp).assumingMemoryBound(to: uv_handle_t.self), nil)
        unsafe uv_close(
            UnsafeMutableRawPointer(timer).assumingMemoryBound(to: uv_handle_t.self), nil)
        unsafe uv_run(uv, UV_RUN_NOWAIT)
        unsafe uv_loop_close(uv)
    }

    func join() { unsafe uv_thread_join(&joinable) }

    deinit {
        unsafe wakeUp.deallocate()
        unsafe timer.deallocate()
        unsafe turn.pointee.deallocate()
        unsafe turn.deallocate()
        unsafe readBuffer.deallocate()
        unsafe uv.deallocate()
    }

    /// Whether the caller runs on this loop's thread; any thread.
    @inlinable
    public var isCurrent: Bool {
        unsafe turn.pointee.thread.load(ordering: .relaxed) == apus_thread_word()
    }

    /// Measures every turn from now on, until the loop stops: the processor time from one wait for
    /// events to the next. On the loop's thread; costs two system calls a turn.
    public func watchTurns(_ onTurn: @escaping (_ cpuNanoseconds: UInt64) -> Void) {
        guard turnWatch == nil, !isStopping else { return }
        turnWatch = unsafe TurnWatch(loop: uv, onTurn: onTurn)
    }

    // MARK: - Work

    /// Runs a closure on the loop: at the end of this turn, or by a wake-up from another thread.
    /// False when the loop has stopped and will not run it.
    @discardableResult
    public func execute(_ work: @escaping @Sendable () -> Void) -> Bool {
        submit(.closure(work))
    }

    /// Runs a closure on the loop in a later turn, so that other events have theirs; any thread.
    /// False when the loop has stopped and will not run it.
    @discardableResult
    public func executeLater(_ work: @escaping @Sendable () -> Void) -> Bool {
        mailbox.add(.closure(work)) { unsafe uv_async_send(wakeUp) }
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // A task may outlive its loop; nothing of the loop's is left for it to touch.
        if !submit(.job(job)) { globalConcurrentExecutor.enqueue(ExecutorJob(job)) }
    }

    private func submit(_ work: LoopWork) -> Bool {
        if isCurrent {
            ready.append(work)
            unsafe turn.pointee.hasWork = true
            return true
        }
        return mailbox.add(work) { unsafe uv_async_send(wakeUp) }
    }

    private func runMailbox() {
        takeMail()
        endTurn()
    }

    private func takeMail() {
        mailbox.take(into: &taken)
        ready.append(contentsOf: taken)
        unsafe turn.pointee.hasWork = !ready.isEmpty
        taken.removeAll(keepingCapacity: true)
    }

    /// Ends a libuv callback: runs the jobs it caused, then sends what they all wrote.
    @inlinable
    public func endTurn() {
        if unsafe turn.pointee.hasWork { runReady() }
        if unsafe turn.pointee.corkCount > 0 {
            flushCork()
            // A write that failed just now is to be reported, and no event may be coming.
            if unsafe turn.pointee.hasWork { wake() }
        }
    }

    @usableFromInline func wake() {
        if !isStopping { unsafe uv_async_send(wakeUp) }
    }

    /// The stream whose bytes the cork holds.
    public var corkOwner: Stream? {
        unsafe turn.pointee.corkCount > 0 ? turn.pointee.corkOwner?.takeUnretainedValue() : nil
    }

    @usableFromInline func flushCork() {
        unsafe turn.pointee.corkOwner?._withUnsafeGuaranteedRef { $0.flush() }
    }

    @usableFromInline func runReady() {
        // One poll may have found events for many streams, each of which brings jobs. The first of
        // them needs no look at the time.
        if now != jobsPolled {
            (jobsPolled, jobsUntil) = (now, 0)
        } else if isJobTimeOver() {
            return wake()
        }
        var next = 0
        while next < ready.count {
            if next & (Self.jobsPerLook - 1) == Self.jobsPerLook - 1, isJobTimeOver() { break }
            let work = ready[next]
            next += 1
            switch work {
            case .job(let job):
                // Not as a serial executor's: each call of a nonisolated function would then
                // leave its isolation, by way of the queue.
                unsafe job.runSynchronously(on: asUnownedTaskExecutor())
            case .closure(let closure): closure()
            }
        }
        if next == ready.count {
            ready.removeAll(keepingCapacity: true)
            unsafe turn.pointee.hasWork = false
        } else {
            ready.removeFirst(next)
            wake()
        }
    }

    private func isJobTimeOver() -> Bool {
        let time = uv_hrtime()
        if jobsUntil == 0 { jobsUntil = time + Self.jobNanosecondsMax }
        return time > jobsUntil
    }

    /// Notes bytes that a stream has read, if they are ``notedReadSizeMin`` at least.
    func noteRead(_ count: Int) {
        let now = self.now
        if unsafe bytesPolled != now { unsafe (bytesPolled, polledBytes) = (now, 0) }
        unsafe polledBytes &+= count
    }

    /// The most bytes of the next read of any stream. It is short once much has been read since the
    /// last poll, so that many streams with much to read don't keep the others waiting.
    @inline(__always)
    var nextReadSize: Int {
        unsafe polledBytes <= Self.polledBytesMax || bytesPolled != now
            ? readSize : min(readSize, Self.shortReadSize)
    }

    // MARK: - Time

    /// The loop's clock in milliseconds: read once a turn, never goes back.
    @inlinable
    public var now: UInt64 { unsafe uv.pointee.time }

    /// Schedules or moves an entry's deadline.
    public func schedule(_ entry: TimerEntry, at deadline: UInt64) {
        wheel.schedule(entry, at: deadline)
        armTimer()
    }

    /// Schedules an entry, or moves its deadline forward; one that is earlier stays.
    public func schedule(_ entry: TimerEntry, noLaterThan deadline: UInt64) {
        if wheel.isDue(entry, by: deadline) { return }
        schedule(entry, at: deadline)
    }

    public func cancel(_ entry: TimerEntry) { wheel.cancel(entry) }

    /// Wakes the wheel when it has something due, and leaves it asleep when it is empty.
    private func armTimer() {
        // It is about to wake.
        if overdue != nil { return }
        guard let due = wheel.nextWakeUp() else {
            wheelWakeUp = nil
            return
        }
        if let armed = wheelWakeUp, armed <= due { return }
        wheelWakeUp = due
        startTimer(after: due > now ? due - now : 0)
    }

    private func startTimer(after delay: UInt64) {
        unsafe uv_timer_start(
            timer,
            { handle in
                unsafe EventLoop.of(handle!.pointee.loop).runTimers()
            }, delay, 0)
    }

    /// Enforces the deadlines that have passed.
    ///
    /// A late timer means that a turn took long or that the process was stopped. What peers sent in
    /// time may then still wait in the kernel, so it is read first.
    private func runTimers() {
        let now = self.now
        let due = wheelWakeUp ?? now
        wheelWakeUp = nil
        if overdue == nil, now > due + Self.latenessMax {
            overdue = now
            // Not at once: libuv would run it before it polls.
            startTimer(after: 1)
        } else {
            let limit = overdue ?? now
            overdue = nil
            for entry in wheel.takeDue(now: limit) where wheel.beginFiring(entry) {
                entry.deadlinePassed(now: now)
            }
            armTimer()
        }
        endTurn()
    }
}
