import CLibuv

/// The deadlines of one loop: a ``TimerWheel``, and libuv's timer that wakes it.
// Safety: `timer` belongs to the loop, which outlives this object. For the loop's thread.
@safe
final class LoopTimers {
    /// The milliseconds by which a timer may be late before events are polled first.
    private static let latenessMax: UInt64 = 1

    private let uv: UnsafeMutablePointer<uv_loop_t>
    private let timer: UnsafeMutablePointer<uv_timer_t>
    private var wheel: TimerWheel
    /// The time for which the timer is armed.
    private var wakesAt: UInt64?
    /// The time up to which deadlines have passed. They are enforced once events have had their
    /// turn.
    private var overdue: UInt64?

    /// Whether a test moves the clock, and calls ``fire()``.
    private let isManual: Bool

    init(
        loop uv: UnsafeMutablePointer<uv_loop_t>, timer: UnsafeMutablePointer<uv_timer_t>,
        isManual: Bool
    ) {
        self.isManual = isManual
        unsafe self.uv = unsafe uv
        unsafe self.timer = unsafe timer
        wheel = unsafe TimerWheel(now: uv.pointee.time)
    }

    private var now: UInt64 { unsafe uv.pointee.time }

    func schedule(_ entry: TimerEntry, at deadline: UInt64) {
        wheel.schedule(entry, at: deadline)
        arm()
    }

    func schedule(_ entry: TimerEntry, noLaterThan deadline: UInt64) {
        if wheel.isDue(entry, by: deadline) { return }
        schedule(entry, at: deadline)
    }

    func cancel(_ entry: TimerEntry) { wheel.cancel(entry) }

    /// Sets the timer for the wheel's next deadline, unless it is set for an earlier time or the
    /// wheel is empty.
    private func arm() {
        // It is about to wake.
        if isManual || overdue != nil { return }
        guard let due = wheel.nextWakeUp() else {
            wakesAt = nil
            return
        }
        if let wakesAt, wakesAt <= due { return }
        wakesAt = due
        startTimer(after: due > now ? due - now : 0)
    }

    private func startTimer(after delay: UInt64) {
        unsafe uv_timer_start(
            timer,
            { handle in
                let loop = unsafe EventLoop.of(handle!.pointee.loop)
                loop.timers.run()
                loop.endTurn()
            }, delay, 0)
    }

    /// Enforces the deadlines that have passed.
    ///
    /// A late timer means that a turn took long or that the process was stopped. Bytes that peers
    /// sent in time may still wait in the kernel, so they are read first.
    private func run() {
        let now = self.now
        let due = wakesAt ?? now
        wakesAt = nil
        if overdue == nil, now > due + Self.latenessMax {
            overdue = now
            // Not at once: libuv would run it before it polls.
            startTimer(after: 1)
        } else {
            let limit = overdue ?? now
            overdue = nil
            fire(upTo: limit)
            arm()
        }
    }

    private func fire(upTo limit: UInt64) {
        let now = self.now
        for entry in wheel.takeDue(now: limit) where wheel.beginFiring(entry) {
            entry.deadlinePassed(now: now)
        }
    }

    // MARK: - For a manual clock

    /// The time of the next deadline, or an earlier one.
    var nextWakeUp: UInt64? { wheel.nextWakeUp() }

    /// Enforces the deadlines that have passed by the manual clock.
    func fire() { fire(upTo: now) }
}
