import HTTPProtocol
import WebSocketServer

/// A client of a topic's notifications. It receives the publications to `notifications/{topic}`
/// while it is connected. Its own messages are read and dropped.
final class NotificationStream: ConnectionHandler {
    private let topic: String

    init(topic: String) { self.topic = topic }

    /// Returns the topic of a name. Clients can only reach topics that begin with `notifications/`.
    static func topic(_ name: ExactString) -> String { "notifications/\(name)" }

    func onOpen(_ connection: Connection) {
        // Without a subscription, it would never receive anything.
        guard connection.subscribe(to: topic) == .subscribed else {
            return connection.close(.internalError, reason: "not subscribed")
        }
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {}

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {}
}

extension RealtimeApp {
    /// Adds `/ws/notifications/{topic}`.
    func addNotifications(to router: inout Router) {
        let adjusting = adjustment(.notifications)
        let authentication = self.authentication
        router.upgrade(
            Route.notifications.path, description: description(.notifications),
            adjusting: adjusting
        ) { [topics] request in
            let topic = NotificationStream.topic(request.parameters["topic"] ?? "")
            guard topics.isValidName(topic) else {
                let sizeMax = topics.nameSizeMax - NotificationStream.topic("").utf8.count
                return .refuse(
                    .unprocessableContent,
                    "A topic's name has up to \(sizeMax) bytes and no control characters.")
            }
            return try authentication.admit(request, on: .notifications) { _ in
                NotificationStream(topic: topic)
            }
        }
    }
}
