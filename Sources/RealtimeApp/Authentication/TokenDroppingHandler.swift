import AppInput
import WebSocketServer

/// Stands before the handler of a feature that demands no token, for a client that has brought one
/// all the same, and may bring new ones as it would elsewhere: no one sees those.
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
