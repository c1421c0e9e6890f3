public import HTTPTypes
public import WebSocketProtocol

/// A client's connection for `async` code: as ``AsyncConnection`` on the server's side.
///
/// Messages wait in a bounded queue; when it is full, reading stops and the server is pushed back.
public struct ClientConnection: Sendable {
    public let connection: Connection
    /// The server's answer to the opening handshake.
    public let response: HTTPResponse
    let bridge: AsyncBridge

    /// The subprotocol that the server chose among those offered.
    public var subprotocol: String? {
        (try? HeaderGrammar.tokens(.secWebSocketProtocol, in: response.headerFields))?.first
    }

    /// The messages, in order, until the connection is over. To be read by one task. Replies to the
    /// last of them can still be sent when the server closes, as for ``AsyncConnection/messages``.
    public var messages: AsyncConnection.Messages {
        AsyncConnection.Messages(connection: connection, bridge: bridge)
    }

    /// The next message; `nil` once the connection is over, or when the task is cancelled.
    public func receive() async -> Message? { await bridge.next(on: connection) }

    /// Sends a message; waits while the outbox is above its high water mark.
    public nonisolated(nonsending) func send(_ message: Message) async throws {
        if try bridge.send(message.bytes, message.kind, on: connection) { return }
        try await bridge.waitForDrain(on: connection)
    }

    /// Sends a text message; waits while the outbox is above its high water mark.
    public nonisolated(nonsending) func send(_ text: String) async throws {
        try await send(Message(text))
    }

    /// Closes, and waits until the server has answered and closed the TCP connection (RFC 6455
    /// §7.1.1), or ``Limits/closeTimeout`` is over. Codes: see ``Connection/close(_:reason:)``.
    @discardableResult
    public func close(
        _ code: CloseCode = .normalClosure, reason: String = ""
    ) async -> ConnectionEnd {
        connection.close(code, reason: reason)
        return await waitUntilClosed()
    }

    /// Starts the closing handshake, and goes on delivering ``messages`` until the server's Close
    /// frame arrives. ``close(_:reason:)`` discards those.
    ///
    /// A server that answers messages in order has answered all that was sent before its Close
    /// frame arrives. The wait for that frame begins anew with every byte that the server sends.
    package func finish(_ code: CloseCode = .normalClosure, reason: String = "") {
        connection.core.onLoop { $0.beginClosing(code, reason, delivering: true) }
    }

    /// How the connection ended, once it has.
    public func waitUntilClosed() async -> ConnectionEnd {
        await bridge.waitForEnd(on: connection)
    }
}
