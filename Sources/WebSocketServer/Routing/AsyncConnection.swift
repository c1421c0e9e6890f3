import WebSocketProtocol

/// A connection for `async` code, which runs on the connection's own loop.
///
/// Messages wait in a bounded queue; when it is full, reading stops and the peer experiences
/// backpressure.
public struct AsyncConnection: Sendable {
    public let connection: Connection
    public let request: UpgradeRequest
    @usableFromInline let bridge: AsyncBridge

    /// The messages, in order, until the connection is over. To be read by one task.
    ///
    /// When the peer closes, replies to the messages before its Close frame can still be sent. The
    /// frame is answered once the task asks for another message or for the end, or has returned,
    /// and no later than ``Limits/closeTimeout`` after it took its last message.
    @inlinable
    public var messages: Messages { Messages(connection: connection, bridge: bridge) }

    /// Sends a message; waits while the outbox is above its high water mark.
    @inlinable
    public nonisolated(nonsending) func send(_ message: Message) async throws {
        if try bridge.send(message, on: connection) { return }
        try await bridge.waitForDrain(on: connection)
    }

    /// Sends a text message; waits while the outbox is above its high water mark.
    @inlinable
    public nonisolated(nonsending) func send(_ text: String) async throws {
        if try bridge.send(text, on: connection) { return }
        try await bridge.waitForDrain(on: connection)
    }

    /// Starts the closing handshake; see ``Connection/close(_:reason:)``, also for the codes.
    public func close(_ code: CloseCode = .normalClosure, reason: String = "") {
        connection.close(code, reason: reason)
    }

    /// Waits for the end of the connection, and returns how it ended.
    public func waitUntilClosed() async -> ConnectionEnd {
        await bridge.waitForEnd(on: connection)
    }

    /// A connection's messages.
    public struct Messages: AsyncSequence, Sendable {
        @usableFromInline let connection: Connection
        @usableFromInline let bridge: AsyncBridge

        @usableFromInline
        init(connection: Connection, bridge: AsyncBridge) {
            self.connection = connection
            self.bridge = bridge
        }

        public struct AsyncIterator: AsyncIteratorProtocol {
            @usableFromInline let connection: Connection
            @usableFromInline let bridge: AsyncBridge

            @usableFromInline
            init(connection: Connection, bridge: AsyncBridge) {
                self.connection = connection
                self.bridge = bridge
            }

            /// Returns the next message; `nil` at the end, and when the task is cancelled.
            public mutating func next() async throws -> Message? {
                await bridge.next(on: connection)
            }

            /// Returns the next message for `for await`. It stays on the caller's executor.
            // The optimizer knows that a `nonsending` function returns on the executor of its
            // caller; behind one with an `isolated` parameter, the caller would look for it again.
            // Inlined, since `AsyncBridge.answer(on:)` then isn't even called by an `async` function.
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
                case .elsewhere:
                    return await bridge.nextElsewhere(on: connection)
                }
            }
        }

        @inlinable
        public func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(connection: connection, bridge: bridge)
        }
    }
}
