public import CLibuv
import Glibc
public import Synchronization

/// One thread with one libuv loop: everything of a connection happens on its loop.
///
/// It is an executor, so `async` code that prefers it runs between I/O callbacks without a hop.
/// Each callback of libuv is a *turn*: it ends by running the jobs that it caused and by sending
/// the bytes that it wrote. Except where noted, members are for the loop's own thread.
// Safety: it owns the memory behind its pointers, from `init` to `deinit`.
@safe
public final class EventLoop: TaskExecutor, @unchecked Sendable {
    // Safety: mutable state is touched on the loop's thread only; other threads go through the
    // mailbox of `jobs`, which locks.

    /// The size of the one read buffer that all streams of the loop share.
    public static let readBufferSize = 256 << 10
    static let corkSize = 256 << 10
    /// The maximum number of turns in which a stopped loop runs its last callbacks and jobs.
    private static let lastTurns = 1_024

    public let index: Int
    @usableFromInline let uv: UnsafeMutablePointer<uv_loop_t>
    private let wakeUp: UnsafeMutablePointer<uv_async_t>
    private let timer: UnsafeMutablePointer<uv_timer_t>
    public let turn: UnsafeMutablePointer<TurnState>
    let readBuffer: UnsafeMutableRawPointer
    @exclusivity(unchecked) private var reading = ReadAllowance()
    let jobs: JobQueue
    private let lateJobs = LateJobs()
    let timers: LoopTimers
    private var isStopping = false
    private var turnWatch: TurnWatch?
    private var turnMeter: TurnMeter?
    /// The time of a loop whose clock a test moves; `nil` for the real time.
    let manual: ManualClock?
    /// The transports that check for events in the next turn.
    var signalled: [StreamTransport] = []
    private var joinable = uv_thread_t()
    /// Whether there is a thread whose end nobody has waited for.
    private var isUnjoined = false
    /// The number of open handles: zero once everything is released.
    public internal(set) var openHandles = 0

    /// - Parameter isManual: Whether the clock stands still until ``advance(by:completion:)``.
    init(index: Int, isManual: Bool = false) throws(TransportError) {
        self.index = index
        manual = isManual ? ManualClock() : nil
        unsafe uv = .allocate(capacity: 1)
        var code = unsafe uv_loop_init(uv)
        if code < 0 {
            unsafe uv.deallocate()
            throw TransportError(code: code, operation: "make an event loop")
        }
        unsafe wakeUp = .allocate(capacity: 1)
        // The first handle of a loop needs a descriptor, so this may fail.
        code = unsafe uv_async_init(uv, wakeUp) { handle in
            unsafe EventLoop.of(handle!.pointee.loop).wokenUp()
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
        unsafe uv_timer_init(uv, timer)
        unsafe uv_unref(UnsafeMutableRawPointer(timer).assumingMemoryBound(to: uv_handle_t.self))
        unsafe jobs = JobQueue(turn: turn, wakeUp: wakeUp, isTimed: !isManual)
        if let manual { unsafe uv.pointee.time = manual.time }
        unsafe timers = LoopTimers(loop: uv, timer: timer, isManual: isManual)
        unsafe uv.pointee.data = unsafe Unmanaged.passUnretained(self).toOpaque()
    }

    static func of(_ loop: UnsafeMutablePointer<uv_loop_t>) -> EventLoop {
        unsafe Unmanaged<EventLoop>.fromOpaque(loop.pointee.data).takeUnretainedValue()
    }

    // MARK: - Thread

    /// Starts the thread, which owns the loop too; the loop then runs until ``stop()``.
    func start() throws(TransportError) {
        let context = unsafe Unmanaged.passRetained(self)
        isUnjoined = true
        let code = unsafe uv_thread_create(
            &joinable,
            { context in
                unsafe Unmanaged<EventLoop>.fromOpaque(context!).takeRetainedValue().run()
            }, context.toOpaque())
        if code != 0 {
            isUnjoined = false
            unsafe context.release()
        }
        try TransportError.check(code, "start a thread")
    }

    private func run() {
        unsafe turn.pointee.thread.store(apus_thread_word(), ordering: .relaxed)
        unsafe pthread_setname_np(pthread_self(), "loop-\(index)")
        blockBrokenPipeSignal()
        unsafe uv_run(uv, UV_RUN_DEFAULT)
        finishRunning()
        // The next thread is likely to get this one's number.
        unsafe turn.pointee.thread.store(0, ordering: .relaxed)
        lateJobs.begin(of: self)
    }

    /// Blocks SIGPIPE: a log line must not end the process when the log's reader has left.
    private func blockBrokenPipeSignal() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Gives closing handles and jobs their last turns after ``stop()``, and calls back those that
    /// wait for idleness, so that no task waits forever. The loop does not wait for handles that
    /// were left open, but counts them in ``openHandles``.
    private func finishRunning() {
        var turns = 0
        while turns < Self.lastTurns,
            unsafe uv_loop_alive(uv) != 0 || !jobs.isEmpty || manual?.isAwaited == true
        {
            unsafe uv_run(uv, UV_RUN_NOWAIT)
            if let manual, manual.isAwaited { manual.takeWaiting()() }
            endTurn()
            turns += 1
        }
        // They refer back to the loop.
        signalled = []
        // uv_async_send on a loop that is closed would abort.
        jobs.waitForWakers()
        // libuv overwrites a closed loop, but tasks that outlive it still read its clock.
        let last = now
        unsafe uv_loop_close(uv)
        unsafe uv.pointee.time = last
    }

    /// Ends the loop, whose handles must have been closed; any thread. ``join()`` waits for its
    /// end. Calling it again has no effect.
    public func stop() {
        execute { [self] in
            if isStopping { return }
            isStopping = true
            jobs.close()
            turnWatch?.close()
            turnWatch = nil
            turnMeter?.close()
            turnMeter = nil
            unsafe uv_close(
                UnsafeMutableRawPointer(wakeUp).assumingMemoryBound(to: uv_handle_t.self), nil)
            unsafe uv_close(
                UnsafeMutableRawPointer(timer).assumingMemoryBound(to: uv_handle_t.self), nil)
            unsafe uv_stop(uv)
        }
    }

    /// Closes a loop whose thread could not be started.
    func closeUnstarted() {
        unsafe uv_close(
            UnsafeMutableRawPointer(wakeUp).assumingMemoryBound(to: uv_handle_t.self), nil)
        unsafe uv_close(
            UnsafeMutableRawPointer(timer).assumingMemoryBound(to: uv_handle_t.self), nil)
        unsafe uv_run(uv, UV_RUN_NOWAIT)
        unsafe uv_loop_close(uv)
    }

    func join() {
        unsafe uv_thread_join(&joinable)
        isUnjoined = false
    }

    deinit {
        // The thread itself may be the last that refers to the loop, and can't wait for its own end.
        if isUnjoined { pthread_detach(joinable) }
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

    /// Measures every turn until the loop stops: the processor time from one wait for events to the
    /// next. On the loop's thread; costs two system calls a turn.
    public func watchTurns(_ onTurn: @escaping (_ cpuNanoseconds: UInt64) -> Void) {
        guard turnWatch == nil, !isStopping else { return }
        turnWatch = unsafe TurnWatch(loop: uv, onTurn: onTurn)
    }

    /// Stops calling back after each turn; on the loop's thread.
    public func stopWatchingTurns() {
        turnWatch?.close()
        turnWatch = nil
    }

    /// Measures the duration of every turn until the loop stops, in milliseconds. On the loop's
    /// thread; has no effect with a manual clock. It reads the clock once a turn.
    public func measureTurns(_ onTurn: @escaping (_ milliseconds: UInt64) -> Void) {
        guard turnMeter == nil, !isStopping, !isManual else { return }
        turnMeter = unsafe TurnMeter(loop: uv, onTurn: onTurn)
    }

    /// The processor time that the loop's thread has used, in nanoseconds. On that thread.
    public var cpuNanoseconds: UInt64 { isManual ? 0 : TurnWatch.threadTime() }

    /// The number of jobs that wait for a later turn, without those that other threads have just
    /// posted.
    public var pendingJobs: Int { jobs.count }

    /// Runs the work of other threads, and calls back the transports that have asked for a turn.
    private func wokenUp() {
        // libuv has set the real time before it called back.
        if let manual {
            unsafe uv.pointee.time = manual.time
            unsafe reading.forget()
        }
        jobs.takeMail()
        endTurn()
        if !signalled.isEmpty { dispatchSignals() }
        if let manual { finishTurn(of: manual) }
    }

    // MARK: - Jobs

    /// Runs a closure on the loop: at the end of this turn, or in a later one if called on another
    /// thread. Returns false if the loop has stopped and will not run it.
    @discardableResult
    public func execute(_ work: @escaping @Sendable () -> Void) -> Bool {
        submit(.closure(work))
    }

    /// Runs a closure on the loop in a later turn, so that other events come first; any thread.
    /// Returns false if the loop has stopped and will not run it.
    @discardableResult
    public func executeLater(_ work: @escaping @Sendable () -> Void) -> Bool {
        jobs.post(.closure(work))
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // A task may outlive its loop.
        if !submit(.job(job)) { lateJobs.add(job, of: self) }
    }

    /// Runs the jobs of tasks that outlive the loop, on another thread.
    func runLateJobs() {
        while let job = lateJobs.next() {
            unsafe job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    private func submit(_ work: LoopWork) -> Bool {
        if isCurrent {
            jobs.add(work)
            return true
        }
        return jobs.post(work)
    }

    // MARK: - Turns

    /// Ends a libuv callback: runs the jobs that it caused, then sends the bytes that were written.
    @inlinable
    public func endTurn() {
        if unsafe turn.pointee.hasWork { runReady() }
        if unsafe turn.pointee.corkCount > 0 {
            flushCork()
            // A write that has just failed must be reported, and there may be no further event.
            if unsafe turn.pointee.hasWork { wake() }
        }
    }

    @usableFromInline func wake() { jobs.wake() }

    @usableFromInline func runReady() { unsafe jobs.run(on: asUnownedTaskExecutor(), now: now) }

    /// The stream whose bytes are in the cork.
    public var corkOwner: Stream? {
        unsafe turn.pointee.corkCount > 0 ? turn.pointee.corkOwner?.takeUnretainedValue() : nil
    }

    @usableFromInline func flushCork() {
        unsafe turn.pointee.corkOwner?._withUnsafeGuaranteedRef { $0.flush() }
    }

    // MARK: - Reading

    /// The maximum bytes of one read of any stream: 1…``readBufferSize``.
    public var readSize: Int {
        get { unsafe reading.size }
        set { unsafe reading.size = newValue }
    }

    /// Notes bytes that a stream has read, ``ReadAllowance/notedSizeMin`` at least.
    func noteRead(_ count: Int) { unsafe reading.note(count, now: now) }

    /// The most bytes of the next read of any stream.
    @inline(__always)
    var nextReadSize: Int { unsafe reading.next(now: now) }

    // MARK: - Time

    /// The loop's clock in milliseconds: read once a turn, never goes back.
    @inlinable
    public var now: UInt64 { unsafe uv.pointee.time }

    /// A monotonic clock in nanoseconds, which moves within a turn, too. A manual clock doesn't, so
    /// that the time that work takes has no influence on a test.
    public var nanoseconds: UInt64 { manual.map { $0.time * 1_000_000 } ?? uv_hrtime() }

    /// Whether the clock only moves by ``advance(by:completion:)``; any thread.
    public var isManual: Bool { manual != nil }

    /// The seconds since 1970 of the system's clock, or of the manual one.
    public var secondsSince1970: Int { manual?.secondsSince1970 ?? time(nil) }

    /// Schedules or moves an entry's deadline.
    public func schedule(_ entry: TimerEntry, at deadline: UInt64) {
        timers.schedule(entry, at: deadline)
    }

    /// Schedules an entry, or moves its deadline forward; an earlier deadline stays.
    public func schedule(_ entry: TimerEntry, noLaterThan deadline: UInt64) {
        timers.schedule(entry, noLaterThan: deadline)
    }

    public func cancel(_ entry: TimerEntry) { timers.cancel(entry) }
}
