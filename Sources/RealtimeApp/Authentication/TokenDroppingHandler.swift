import WebSocketServer

/// A handler in front of another one, for features that require no token. It drops messages with
/// new tokens, which clients that came with a token may send nevertheless.
final class TokenDroppingHandler: ConnectionHandler {
    private let handler: any ConnectionHandler

    init(_ handler: any ConnectionHandler) { self.handler = handler }

    func onOpen(_ connection: Connection) { handler.onOpen(connection) }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        if kind == .text, TokenMessage(payload) != .other { return }
        handler.onMessage(payload, as: kind, from: connection)
    }

    func onDrain(_ connection: Connection) { handler.onDrain(connection) }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        handler.onClose(connection, code: code, reason: reason)
    }
}
