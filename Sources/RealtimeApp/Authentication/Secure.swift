import HTTPProtocol
import Logging
import WebSocketServer

/// A member of a topic for those with a token (S5): text `x` by ada reaches all as `ada: x`.
final class SecureMember: ConnectionHandler {
    /// `ada: `
    private let prefix: [UInt8]
    private let topic: String

    init(_ identity: Identity, topic: String) {
        prefix = [UInt8]("\(identity.subject): ".utf8)
        self.topic = topic
    }

    /// The topic behind a name: none but those below `secure/` can be reached.
    static func topic(_ name: ExactString) -> String { "secure/\(name)" }

    func onOpen(_ connection: Connection) {
        // The name was checked before; its first topic is not too many.
        guard connection.subscribe(to: topic) == .subscribed else {
            return connection.close(.internalError, reason: "not subscribed")
        }
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        let said = prefix + payload.bytes
        unsafe connection.publish(said.span.bytes, as: kind, to: topic)
    }
}

extension RealtimeApp {
    /// `/ws/secure/{topic}` and `POST /token`.
    func addAuthentication(to router: inout Router) {
        let (authentication, topics) = (self.authentication, self.topics)
        router.webSocket(Route.secure.path, adjusting: adjustment(.secure)) { request in
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
        router.post("/token") { try await authentication.signIn($0) }
    }
}
