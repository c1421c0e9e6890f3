import HTTPProtocol
import Logging
import WebSocketServer

/// A member of a topic for clients with a token. The text `x` of the user `ada` is sent to all
/// members as `ada: x`.
final class SecureMember: ConnectionHandler {
    /// The prefix `ada: `.
    private let prefix: [UInt8]
    private let topic: String

    init(_ identity: Identity, topic: String) {
        prefix = [UInt8]("\(identity.subject): ".utf8)
        self.topic = topic
    }

    /// Returns the topic of a name. Clients can only reach topics that begin with `secure/`.
    static func topic(_ name: ExactString) -> String { "secure/\(name)" }

    func onOpen(_ connection: Connection) {
        // The name was checked before, and one subscription is within every limit.
        guard connection.subscribe(to: topic) == .subscribed else {
            return connection.close(.internalError, reason: "not subscribed")
        }
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        connection.publish(prefix + [UInt8](payload), as: kind, to: topic)
    }
}

extension RealtimeApp {
    /// Adds `/ws/secure/{topic}` and `POST /token`.
    func addAuthentication(to router: inout Router) {
        let (authentication, topics) = (self.authentication, self.topics)
        router.upgrade(
            Route.secure.path, description: description(.secure), adjusting: adjustment(.secure)
        ) { request in
            let topic = SecureMember.topic(request.parameters["topic"] ?? "")
            let decision = try authentication.admitBearer(request, on: .secure) {
                SecureMember($0, topic: topic)
            }
            guard topics.isValidName(topic) else {
                let sizeMax = topics.nameSizeMax - SecureMember.topic("").utf8.count
                return .refuse(
                    .unprocessableContent,
                    "A topic's name has up to \(sizeMax) bytes and no control characters.")
            }
            return decision
        }
        router.post("/token", description: .signIn) { try await authentication.signIn($0) }
    }
}
