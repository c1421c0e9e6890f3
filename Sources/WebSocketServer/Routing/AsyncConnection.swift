import WebSocketProtocol

/// A connection for `async` code, which runs on the connection's own loop.
///
/// Messages wait in a bounded queue; when it is full, reading stops and the peer experiences
/// backpressure.
public struct AsyncConnection: Sendable {
    public let connection: Connection
    public let request: UpgradeRequest
    let bridge: AsyncBridge

    /// The messages, in order, until the connection is over. To be read by one task.
    ///
    /// When the peer closes, replies to the messages before its Close frame can still be sent. The
    /// frame is answered once the task asks for another message or for the end, or has returned,
    /// and no later than ``Limits/closeTimeout`` after it took its last message.
    public var messages: Messages { Messages(connection: connection, bridge: bridge) }

    /// Sends a message; waits while the outbox is above its high water mark.
    ///
    /// - Throws: ``ConnectionClosed``; `CancellationError` if the task is cancelled while it waits.
    ///   The message is queued already then, and is sent if the peer reads on.
    public nonisolated(nonsending) func send(_ message: Message) async throws {
        if try bridge.send(message.bytes, message.kind, on: connection) { return }
        try await bridge.waitForDrain(on: connection)
    }

    /// Sends a text message; waits while the outbox is above its high water mark.
    public nonisolated(nonsending) func send(_ text: String) async throws {
        try await send(Message(text))
    }

    /// Starts the closing handshake; see ``Connection/close(_:reason:)``, also for the codes.
    public func close(_ code: CloseCode = .normalClosure, reason: String = "") {
        connection.close(code, reason: reason)
    }

    /// Waits for the end of the connection, and returns how it ended. Throws if the task is
    /// cancelled before.
    public func waitUntilClosed() async throws(CancellationError) -> ConnectionEnd {
        guard let end = await bridge.waitForEnd(on: connection) else { throw CancellationError() }
        return end
    }

    /// A connection's messages.
    public struct Messages: AsyncSequence, Sendable {
        let connection: Connection
        let bridge: AsyncBridge

        public struct AsyncIterator: AsyncIteratorProtocol {
            let connection: Connection
            let bridge: AsyncBridge

            /// Returns the next message; `nil` at the end, and when the task is cancelled.
            public mutating func next() async throws -> Message? {
                await bridge.next(on: connection)
            }

            /// Returns the next message for `for await`. It stays on the caller's executor, which
            /// saves looking for one.
            public mutating func next(
                isolation actor: isolated (any Actor)?
            ) async throws(any Error) -> Message? {
                if let message = bridge.nextWaiting(on: connection) { return message }
                return await bridge.next(on: connection)
            }
        }

        public func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(connection: connection, bridge: bridge)
        }
    }
}
