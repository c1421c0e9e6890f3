import CLibuv

extension EventLoop {
    /// The time at which a manual clock starts, in milliseconds; any thread.
    public var startTime: UInt64 { ManualClock.start }

    /// Calls back once nothing is left to do: no job, no event of a transport and no mail. Only
    /// with a manual clock, on the loop's thread.
    public func whenIdle(_ completion: @escaping () -> Void) {
        guard let manual else { preconditionFailure("the clock isn't manual") }
        manual.awaitIdle(completion)
        wake()
    }

    /// Moves the manual clock forward, from one deadline to the next, and calls back once the loop
    /// is idle at the new time. On the loop's thread.
    public func advance(by milliseconds: UInt64, completion: @escaping () -> Void) {
        advance(to: now + milliseconds, completion)
    }

    private func advance(to target: UInt64, _ completion: @escaping () -> Void) {
        whenIdle { [self] in
            guard let due = timers.nextWakeUp, due <= target else {
                setTime(target)
                return whenIdle(completion)
            }
            setTime(max(due, now))
            timers.fire()
            endTurn()
            advance(to: target, completion)
        }
    }

    private func setTime(_ time: UInt64) {
        manual!.time = time
        unsafe uv.pointee.time = time
    }

    /// Reports idleness to those that wait for it, if the loop is idle.
    func finishTurn(of manual: ManualClock) {
        guard manual.isAwaited else { return }
        if unsafe turn.pointee.hasWork || !signalled.isEmpty || jobs.hasMail { return wake() }
        manual.takeWaiting()()
        endTurn()
    }
}

/// The time of a loop whose clock moves only when a test moves it. For that loop's thread.
final class ManualClock {
    /// The milliseconds: a whole number of the timer wheel's ticks.
    static let start: UInt64 = 3_600_000
    var time = ManualClock.start
    private var waiting: [() -> Void] = []

    /// 1 January 2026, 00:00 UTC, at the start.
    var secondsSince1970: Int { 1_767_225_600 + Int((time - Self.start) / 1_000) }

    var isAwaited: Bool { !waiting.isEmpty }

    func awaitIdle(_ completion: @escaping () -> Void) { waiting.append(completion) }

    /// Returns the first of those that wait for idleness. The others wait on, since it may cause
    /// work.
    func takeWaiting() -> () -> Void { waiting.removeFirst() }
}
