import UVTransport

/// A connection whose messages a task handles: the peer's Close frame is answered after the task's
/// replies to the messages before it, as it would be after a handler's replies.
///
/// RFC 6455 §5.5.1 allows the delay. The task has the close timeout from the time at which it took
/// its last message: a task that took one long ago is not about to reply.
extension ConnectionCore {
    /// Runs a handler's `async` code in a task on the loop, and is called there. A stop of the
    /// server waits for it.
    @discardableResult
    func startTask(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        resources.tasks.began()
        return Task(executorPreference: loop) { [self] in
            await body()
            onLoop { $0.resources.tasks.ended() }
        }
    }

    /// Notes that the task has taken a message, or that the first one is queued for it.
    @inline(__always)
    func taskBegins() { lifecycle.taskBegan(now: loop.now) }

    /// Notes that the task asks for the next message where there is none, or for the end: it has
    /// sent all its replies.
    @inline(__always)
    func taskRests() {
        if lifecycle.taskRested() { answerClose() }
    }

    /// Answers the peer's Close frame once the task has replied, or at the deadline.
    func delayAnswer(until deadline: UInt64) {
        updateReading()
        let answer = DelayedAnswer(self)
        // The registry keeps the answer alive, since the timer wheel keeps nothing.
        resources.registry.delayedAnswers[id] = answer
        loop.schedule(answer, at: deadline)
    }
}

/// The deadline of an answer to a peer's Close frame that waits for a task.
final class DelayedAnswer: TimerEntry {
    private unowned let connection: ConnectionCore

    init(_ connection: ConnectionCore) { self.connection = connection }

    override func deadlinePassed(now: UInt64) { connection.answerClose() }
}
