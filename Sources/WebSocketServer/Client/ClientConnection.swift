public import HTTPTypes
public import WebSocketProtocol

/// A client's connection for `async` code, the counterpart of ``AsyncConnection`` on a server.
///
/// Received messages are held in a bounded queue. While it is full, reading is paused, so that the
/// server experiences backpressure.
public struct ClientConnection: Sendable {
    /// The connection, for sending without waiting, pings and pausing.
    public let connection: Connection
    /// The server's response to the opening handshake.
    public let response: HTTPResponse
    let bridge: AsyncBridge

    /// The subprotocol that the server has chosen; `nil` if none.
    public var subprotocol: String? {
        (try? HeaderGrammar.tokens(.secWebSocketProtocol, in: response.headerFields))?.first
    }

    /// The received messages, in order, until the connection is closed; to be read by one task.
    /// After the server's Close frame, replies to the last messages can still be sent, as with
    /// ``AsyncConnection/messages``.
    public var messages: AsyncConnection.Messages {
        AsyncConnection.Messages(connection: connection, bridge: bridge)
    }

    /// Receives the next message. Returns `nil` when the connection is closed or the task
    /// cancelled.
    public func receive() async -> Message? { await bridge.next(on: connection) }

    /// Sends a message. Waits while the outbox is above ``Limits/outboxHighWater``.
    ///
    /// - Throws: ``ConnectionClosed``; `CancellationError` if the task is cancelled while it waits.
    ///   The message is queued already then, and is sent if the server reads on.
    public nonisolated(nonsending) func send(_ message: Message) async throws {
        if try bridge.send(message.bytes, message.kind, on: connection) { return }
        try await bridge.waitForDrain(on: connection)
    }

    /// Sends a text message. Waits while the outbox is above ``Limits/outboxHighWater``.
    public nonisolated(nonsending) func send(_ text: String) async throws {
        try await send(Message(text))
    }

    /// Sends a Close frame and waits for the server's answer (RFC 6455 §7.1.2), at most for
    /// ``Limits/closeTimeout``, even in a cancelled task. For the codes see
    /// ``Connection/close(_:reason:)``.
    @discardableResult
    public func close(
        _ code: CloseCode = .normalClosure, reason: String = ""
    ) async -> ConnectionEnd {
        connection.close(code, reason: reason)
        // A new task, since this one may be cancelled: the end is near anyway.
        return await Task { await bridge.waitForEnd(on: connection)! }.value
    }

    /// Starts the closing handshake, and continues to deliver ``messages`` until the server's Close
    /// frame arrives; ``close(_:reason:)`` would discard them.
    ///
    /// A server that answers messages in order has answered all of them before its Close frame
    /// arrives. The wait for that frame starts again with every byte that the server sends.
    package func finish(_ code: CloseCode = .normalClosure, reason: String = "") {
        connection.core.onLoop { $0.beginClosing(code, reason, delivering: true) }
    }

    /// Waits until the connection is closed, and returns the close code and reason. Throws if the
    /// task is cancelled before.
    public func waitUntilClosed() async throws(CancellationError) -> ConnectionEnd {
        guard let end = await bridge.waitForEnd(on: connection) else { throw CancellationError() }
        return end
    }
}
