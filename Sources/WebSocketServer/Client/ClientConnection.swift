public import HTTPTypes
public import WebSocketProtocol

/// A client's connection for `async` code, the counterpart of ``AsyncConnection`` on a server.
///
/// Received messages wait in a bounded queue. While it is full, reading is paused, so that the
/// server experiences backpressure. All members may be used from any thread.
public struct ClientConnection: MessageConnection {
    public let connection: Connection
    /// The server's response to the opening handshake: status 101 and header fields.
    public let response: HTTPResponse
    let bridge: AsyncBridge

    /// The subprotocol that the server has chosen among the offered ones; `nil` if none.
    public var subprotocol: String? {
        (try? HeaderGrammar.tokens(.secWebSocketProtocol, in: response.headerFields))?.first
    }

    public var messages: ConnectionMessages {
        ConnectionMessages(connection: connection, bridge: bridge)
    }

    /// Sends a Close frame and waits for the server's answer (RFC 6455 §7.1.2), at most for
    /// ``Limits/closeTimeout``. Messages that arrive meanwhile are discarded.
    ///
    /// - Parameters:
    ///   - code: See ``Connection/close(_:reason:)``.
    ///   - reason: A text for people; cut to 123 bytes.
    /// - Returns: How the connection has ended, also if it had ended before.
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
}
