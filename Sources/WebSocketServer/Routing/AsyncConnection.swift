public import WebSocketProtocol

/// A connection for `async` code of a server. The closure that gets it runs on the connection's
/// event loop, and may pass it on to tasks elsewhere.
///
/// Received messages wait in a bounded queue. While it is full, reading is paused, so that the peer
/// experiences backpressure.
public struct AsyncConnection: MessageConnection, MessagePublisher {
    public let connection: Connection
    /// The request that opened the connection.
    public let request: UpgradeRequest
    /// The subprotocol that was negotiated in the opening handshake (RFC 6455 §1.9); `nil` if none.
    public let subprotocol: String?
    @usableFromInline let bridge: AsyncBridge

    /// Creates it on the connection's loop.
    init(_ connection: Connection, request: UpgradeRequest, bridge: AsyncBridge) {
        self.connection = connection
        self.request = request
        self.bridge = bridge
        subprotocol = connection.subprotocol
    }

    @inlinable
    public var messages: ConnectionMessages {
        ConnectionMessages(connection: connection, bridge: bridge)
    }

    // `send` is on the path of every message. So it isn't left to the generic methods, which other
    // modules can't specialize.

    @inlinable
    public nonisolated(nonsending) func send(_ message: Message) async throws {
        if try bridge.mustWait(after: connection.send(message), on: connection) {
            try await bridge.waitForDrain(on: connection)
        }
    }

    /// Sends a text message. Waits while the outbox is above ``Limits/outboxHighWater``.
    ///
    /// - Throws: ``ConnectionClosed`` if the connection is closing or closed.
    @inlinable
    public nonisolated(nonsending) func send(_ text: String) async throws {
        if try bridge.mustWait(after: connection.send(text), on: connection) {
            try await bridge.waitForDrain(on: connection)
        }
    }

    /// Starts the closing handshake; see ``Connection/close(_:reason:)``, also for the codes.
    public func close(_ code: CloseCode = .normalClosure, reason: String = "") {
        connection.close(code, reason: reason)
    }

    /// Subscribes to a topic: later publications to it are sent to this connection; see
    /// ``Connection/subscribe(to:)``.
    @discardableResult
    public func subscribe(to topic: String) -> Connection.SubscribeOutcome {
        connection.subscribe(to: topic)
    }

    /// Ends a subscription; see ``Connection/unsubscribe(from:)``.
    public func unsubscribe(from topic: String) { connection.unsubscribe(from: topic) }

    public func publish(_ payload: RawSpan, as kind: MessageKind, to topic: String, key: String?) {
        connection.publish(payload, as: kind, to: topic, key: key)
    }

    /// Marks the peer as authenticated, on a route that waits for it; see
    /// ``Connection/markAuthenticated()``.
    public func markAuthenticated() { connection.markAuthenticated() }
}
