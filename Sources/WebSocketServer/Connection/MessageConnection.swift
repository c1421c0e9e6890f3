/// A connection for `async` code: the common part of ``AsyncConnection``, on a server, and
/// ``ClientConnection``. All members may be used from any thread.
///
/// Received messages wait in a bounded queue. While it is full, reading is paused, so that the peer
/// experiences backpressure.
public protocol MessageConnection: MessageSender {
    /// The connection, for sending without waiting, pings and pausing.
    var connection: Connection { get }

    /// The received messages, in order, until the connection is closed; to be read by one task.
    ///
    /// When the peer closes, replies to the messages before its Close frame can still be sent. The
    /// frame is answered once the task asks for another message or for the end, or has returned,
    /// and no later than ``Limits/closeTimeout`` after it took its last message.
    var messages: ConnectionMessages { get }
}

extension MessageConnection {
    /// The connection's number, which no other connection of this process has.
    public var id: UInt64 { connection.id }

    /// The peer's address without its port; see ``Connection/remoteAddress``.
    public var remoteAddress: String { connection.remoteAddress }

    /// Receives the next message. Returns `nil` when the connection is closed or the task
    /// cancelled. Use either this or ``messages``, in one task.
    public func receive() async -> Message? {
        let messages = self.messages
        return await messages.bridge.next(on: messages.connection)
    }

    public nonisolated(nonsending) func send(_ message: Message) async throws {
        try await messages.send(message)
    }

    /// Waits for the end of the connection, and returns how it ended. Throws if the task is
    /// cancelled before.
    public func waitUntilClosed() async throws(CancellationError) -> ConnectionEnd {
        let messages = self.messages
        guard let end = await messages.bridge.waitForEnd(on: messages.connection) else {
            throw CancellationError()
        }
        return end
    }

    /// Calls `body` once on the connection's event loop after `delay`, or up to 32 ms later. A
    /// connection has one such deadline: a new one replaces it. It is cancelled when the connection
    /// closes.
    ///
    /// - Parameter delay: At most 30 days; a longer delay counts as 30 days.
    public func setDeadline(
        after delay: Duration, _ body: @escaping @Sendable (Connection) -> Void
    ) {
        connection.core.onLoop { Connection(core: $0).setDeadline(after: delay, body) }
    }

    /// Cancels the deadline, if there is one.
    public func clearDeadline() {
        connection.core.onLoop { Connection(core: $0).clearDeadline() }
    }
}

/// The messages of a ``MessageConnection``.
public struct ConnectionMessages: AsyncSequence, Sendable {
    @usableFromInline let connection: Connection
    @usableFromInline let bridge: AsyncBridge

    @usableFromInline
    init(connection: Connection, bridge: AsyncBridge) {
        self.connection = connection
        self.bridge = bridge
    }

    /// Sends a message; waits while the outbox is above its high-water mark.
    nonisolated(nonsending) func send(_ message: Message) async throws {
        if try bridge.mustWait(after: connection.send(message), on: connection) {
            try await bridge.waitForDrain(on: connection)
        }
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        @usableFromInline let connection: Connection
        @usableFromInline let bridge: AsyncBridge

        @usableFromInline
        init(connection: Connection, bridge: AsyncBridge) {
            self.connection = connection
            self.bridge = bridge
        }

        /// Returns the next message; `nil` at the end, and when the task is cancelled. It throws no
        /// error.
        public mutating func next() async throws -> Message? {
            await bridge.next(on: connection)
        }

        /// Returns the next message for `for await`; see ``next()``. It stays on the caller's
        /// executor.
        // The optimizer knows that a `nonsending` function returns on the executor of its caller;
        // behind one with an `isolated` parameter, the caller would look for it again. Inlined,
        // since `AsyncBridge.answer(on:)` then isn't even called by an `async` function.
        @inlinable
        public nonisolated(nonsending) mutating func next(
            isolation actor: (any Actor)?
        ) async throws(any Error) -> Message? {
            switch bridge.answer(on: connection) {
            case .message(let message): return message
            case .wait:
                // Without the prefix, it would begin with a look for the executor.
                return unsafe await _unsafeInheritExecutor_withUnsafeContinuation {
                    unsafe bridge.wait($0)
                }
            case .end: return nil
            case .elsewhere: return await bridge.nextElsewhere(on: connection)
            }
        }
    }

    @inlinable
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(connection: connection, bridge: bridge)
    }
}
