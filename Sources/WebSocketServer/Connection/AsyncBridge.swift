import UVTransport
public import WebSocketProtocol

/// The handler behind ``AsyncConnection`` and ``ClientConnection``: it queues messages for a task,
/// which may run anywhere. A task on the connection's loop never hops.
// Safety: each continuation is resumed once, when it is taken out.
@safe
@usableFromInline
class AsyncBridge: ConnectionHandler, @unchecked Sendable {
    // Safety: all state is touched on the connection's loop; a caller elsewhere hops there first.

    /// The messages and bytes that may wait before reading is paused. It resumes at half of both.
    private static let waitingMax = 64
    private static let waitingBytesMax = 256 << 10

    // Safety: no function of the queue calls back.
    @exclusivity(unchecked) private var queueStorage = MessageQueue()
    private var isPaused = false
    private var end: ConnectionEnd?
    final private(set) var reader: UnsafeContinuation<Message?, Never>?
    /// The number of the reader's latest wait, so that a late cancellation ends no other wait.
    private var readNumber = 0
    private var waiters: [Waiter] = []
    /// The number of the latest waiter.
    private var waiterNumber = 0
    /// The task that only ``onClose(_:code:reason:)`` cancels, until it ends. Its reads need no
    /// cancellation handler.
    final var ownTask: TaskIdentity?

    @inline(__always) private final var queue: MessageQueue {
        _read { yield unsafe queueStorage }
        _modify { yield unsafe &queueStorage }
    }

    /// A task that waits until the outbox has drained, or until the connection is over.
    @safe
    private struct Waiter {
        let number: Int
        let awaitsEnd: Bool
        let continuation: UnsafeContinuation<Void, Never>
    }

    // MARK: - As a handler

    @usableFromInline func onOpen(_ connection: Connection) {}

    @usableFromInline
    final func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        let message = Message(payload, as: kind)
        if unsafe reader != nil {
            connection.core.taskBegins()
            return resumeReader(message)
        }
        queue.append(message)
        // A task that waits for the end may never read the message.
        if !connection.core.lifecycle.awaitsTask && !waiters.contains(where: \.awaitsEnd) {
            connection.core.taskBegins()
        }
        if !isPaused, queue.count >= Self.waitingMax || queue.bytes >= Self.waitingBytesMax {
            isPaused = true
            connection.core.ensureGuards().queuedSize = queue.bytes
            connection.core.countMemory()
            connection.core.setReadingPaused(true, .queue)
        }
    }

    @usableFromInline
    final func onDrain(_ connection: Connection) { resumeWaiters { !$0.awaitsEnd } }

    @usableFromInline
    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        let isClean = connection.core.lifecycle.closing.received != nil
        let end = ConnectionEnd(code: code, reason: reason, isClean: isClean)
        self.end = end
        resumeReader(nil)
        resumeWaiters { _ in true }
    }

    private func resumeReader(_ message: Message?) {
        guard let waiter = unsafe reader else { return }
        unsafe reader = nil
        unsafe waiter.resume(returning: message)
    }

    private func resumeWaiters(_ isDue: (Waiter) -> Bool) {
        guard !waiters.isEmpty else { return }
        let due = waiters.filter(isDue)
        waiters.removeAll(where: isDue)
        for waiter in due { unsafe waiter.continuation.resume() }
    }

    /// Waits on the connection's loop for the drain or the end, or until the task is cancelled.
    private func wait(awaitsEnd: Bool, on connection: Connection) async {
        waiterNumber += 1
        let number = waiterNumber
        await withTaskCancellationHandler {
            unsafe await withUnsafeContinuation { continuation in
                let waiter = unsafe Waiter(
                    number: number, awaitsEnd: awaitsEnd, continuation: continuation)
                waiters.append(waiter)
            }
        } onCancel: {
            // Not at once: this may run while the loop uses the state.
            connection.core.loop.execute { [self] in resumeWaiters { $0.number == number } }
        }
    }

    // MARK: - For tasks

    /// The answer to a task that asks for a message.
    @usableFromInline
    enum Answer {
        case message(Message)
        /// There is none yet: the task is to pass a continuation to ``wait(_:)``.
        case wait
        /// There is none any more.
        case end
        /// The task must call ``nextElsewhere(on:isolation:)``.
        case elsewhere
    }

    /// Answers a task that asks for a message. Code of other modules inlines the calls of this and
    /// of ``wait(_:)``, so that a task on the connection's loop calls no `async` function for a
    /// message: each such call costs a look for the executor of the task, which locks.
    @usableFromInline
    final func answer(on connection: Connection) -> Answer {
        guard connection.core.loop.isCurrent else { return .elsewhere }
        if let message = takeWaiting(connection) { return .message(message) }
        guard let ownTask, TaskIdentity.current == ownTask else { return .elsewhere }
        connection.core.taskRests()
        return end != nil || Task.isCancelled ? .end : .wait
    }

    /// Resumes a continuation with the next message; `nil` at the end of the connection.
    @usableFromInline
    final func wait(_ continuation: UnsafeContinuation<Message?, Never>) {
        unsafe precondition(reader == nil, "one task reads a connection's messages")
        readNumber &+= 1
        unsafe reader = unsafe continuation
    }

    @inline(__always)
    private final func takeWaiting(_ connection: Connection) -> Message? {
        guard let message = queue.popFirst() else { return nil }
        connection.core.taskBegins()
        if isPaused { resumeReadingIfLow(connection) }
        return message
    }

    private final func resumeReadingIfLow(_ connection: Connection) {
        guard queue.count <= Self.waitingMax / 2, queue.bytes <= Self.waitingBytesMax / 2 else {
            return
        }
        isPaused = false
        connection.core.guards?.queuedSize = 0
        connection.core.countMemory()
        connection.core.setReadingPaused(false, .queue)
    }

    /// Returns the next message to a task on another loop or thread, or to one that others may
    /// cancel. It returns on the caller's executor, so the caller need not look for it.
    @usableFromInline
    final func nextElsewhere(
        on connection: Connection, isolation: isolated (any Actor)? = #isolation
    ) async -> Message? {
        await next(on: connection)
    }

    /// Returns the next message; `nil` at the end of the connection, or when the task is cancelled.
    final nonisolated(nonsending) func next(on connection: Connection) async -> Message? {
        let loop = connection.core.loop
        if !loop.isCurrent {
            return await withTaskExecutorPreference(loop) { await nextOnLoop(connection) }
        }
        return await nextOnLoop(connection)
    }

    private nonisolated(nonsending) func nextOnLoop(_ connection: Connection) async -> Message? {
        assertIsOnLoop(connection)
        if let message = takeWaiting(connection) { return message }
        connection.core.taskRests()
        if end != nil || Task.isCancelled { return nil }
        // That of the wait which begins now.
        let number = readNumber &+ 1
        return await withTaskCancellationHandler {
            unsafe await withUnsafeContinuation { unsafe wait($0) }
        } onCancel: {
            // Not at once: this may run while the loop uses the state.
            connection.core.loop.execute { [self] in
                if readNumber == number { resumeReader(nil) }
            }
        }
    }

    /// Returns whether ``waitForDrain(on:)`` must follow a send: the outbox is full, or only the
    /// connection's loop knows whether it is.
    @usableFromInline
    final func mustWait(
        after outcome: Connection.SendOutcome, on connection: Connection
    ) throws(ConnectionClosed) -> Bool {
        switch outcome {
        case .accepted: return !connection.core.loop.isCurrent
        case .dropped: throw ConnectionClosed()
        case .aboveHighWater: return true
        }
    }

    /// Waits until the messages that were handed over earlier are queued, and then, if the outbox
    /// is full, until it has drained. Throws ``ConnectionClosed``; `CancellationError` if the task
    /// is cancelled while the outbox is full.
    @usableFromInline
    final func waitForDrain(on connection: Connection) async throws {
        try await withTaskExecutorPreference(connection.core.loop) {
            // The drain may have been reported before this task ran.
            if end == nil, connection.core.lifecycle.owesDrain {
                await wait(awaitsEnd: false, on: connection)
            }
            if end != nil || connection.core.stage != .open { throw ConnectionClosed() }
            if connection.core.lifecycle.owesDrain { try Task.checkCancellation() }
        }
    }

    /// Waits for the end of the connection, and returns it. Returns `nil` if the task is cancelled
    /// before.
    final func waitForEnd(on connection: Connection) async -> ConnectionEnd? {
        await withTaskExecutorPreference(connection.core.loop) {
            assertIsOnLoop(connection)
            connection.core.taskRests()
            if end == nil { await wait(awaitsEnd: true, on: connection) }
            return end
        }
    }

    /// Checks in debug builds that state is safe to use. Once the loop has stopped, its jobs run
    /// elsewhere, and nothing changes the state any more.
    private final func assertIsOnLoop(_ connection: Connection) {
        assert(connection.core.loop.isCurrent || end != nil)
    }
}

/// The way in which a connection ended.
public struct ConnectionEnd: Sendable, Hashable {
    /// The peer's close code (RFC 6455 §7.1.5). If the peer sent none, the code of our own Close
    /// frame, which says more than the RFC's 1006; 1006 if no Close frame was sent.
    public let code: CloseCode
    /// The reason in that Close frame, for people; empty if there is none.
    public let reason: String
    /// Whether the peer sent a Close frame.
    package var isClean = true
}
