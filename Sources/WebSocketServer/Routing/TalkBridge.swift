import UVTransport
import WebSocketProtocol

/// The bridge of a server's connection: it starts the task that talks on it.
final class TalkBridge: AsyncBridge, @unchecked Sendable {
    // Safety: as for its superclass.

    private let request: UpgradeRequest
    private let talk: Router.Talk
    private var task: Task<Void, Never>?

    init(request: UpgradeRequest, talk: @escaping Router.Talk) {
        self.request = request
        self.talk = talk
    }

    override func onOpen(_ connection: Connection) {
        let open = AsyncConnection(connection, request: request, bridge: self)
        task = connection.core.startTask { [talk] in
            self.ownTask = TaskIdentity.current
            defer { self.ownTask = nil }
            do {
                try await talk(open)
                connection.close(.normalClosure)
            } catch is ConnectionClosed {
                // The peer left while something was being sent to it: no fault of the handler.
            } catch is CancellationError {
                connection.close(.goingAway)
            } catch {
                connection.core.resources.warnings.failedConnection.log(["error": "\(error)"])
                connection.close(.internalError, reason: "internal error")
            }
        }
    }

    override func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        super.onClose(connection, code: code, reason: reason)
        task?.cancel()
        task = nil
    }
}
