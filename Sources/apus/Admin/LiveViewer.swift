import AppInput
import HTTPProtocol
import WebSocketServer

/// The handler of one page that watches the dashboard. If a token is needed, the page sends it as
/// its first message, `{"token":"…"}`: browsers can't send it in a header, and URLs are logged.
final class LiveViewer: ConnectionHandler {
    private let dashboard: Dashboard
    /// The token that the page must still send; `nil` once it has.
    private var token: String?
    private var isWatching = false

    init(_ dashboard: Dashboard, token: String?) {
        self.dashboard = dashboard
        self.token = token
    }

    func onOpen(_ connection: Connection) {
        if token == nil {
            watch(connection)
        } else {
            connection.send(#"{"type":"token_required"}"#)
        }
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        // A page that watches has nothing to say.
        guard let token else { return }
        guard kind == .text, case .token(let given) = TokenMessage(payload),
            given.isSecret(token)
        else { return connection.close(.unauthorized, reason: "invalid token") }
        self.token = nil
        connection.markAuthenticated()
        watch(connection)
    }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        if isWatching { dashboard.countWatcher(-1) }
    }

    private func watch(_ connection: Connection) {
        isWatching = true
        dashboard.countWatcher(1)
        connection.subscribe(to: Dashboard.topic)
        connection.send(dashboard.history)
    }
}
