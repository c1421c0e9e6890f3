import UVTransport

/// The running tasks of one loop's handlers, which a stop of the server waits for: they may still
/// need what the program ends after the server. For that loop's thread.
final class HandlerTasks: TimerEntry {
    /// The time that tasks have to react to their cancellation, even after the drain's deadline.
    private static let graceMilliseconds: UInt64 = 1_000

    private let loop: EventLoop
    private(set) var count = 0
    private var deadline = UInt64.max
    private var waiting: [() -> Void] = []

    init(loop: EventLoop) { self.loop = loop }

    func began() { count += 1 }

    func ended() {
        count -= 1
        if count == 0 { stopWaiting() }
    }

    /// Calls back once no task is left, and no later than at a deadline. A call with an earlier
    /// deadline shortens all waits.
    func wait(until deadline: UInt64, then body: @escaping () -> Void) {
        guard count > 0 else { return body() }
        waiting.append(body)
        self.deadline = min(self.deadline, max(deadline, loop.now + Self.graceMilliseconds))
        loop.schedule(self, at: self.deadline)
    }

    override func deadlinePassed(now: UInt64) { stopWaiting() }

    private func stopWaiting() {
        guard !waiting.isEmpty else { return }
        loop.cancel(self)
        let bodies = waiting
        waiting = []
        for body in bodies { body() }
    }
}
