import Logging
import WebSocketServer

/// A member of a topic for those with a token (S5): text `x` by ada reaches all as `ada: x`.
final class SecureMember: ConnectionHandler {
    /// `ada: `
    private let prefix: [UInt8]
    private let topic: String

    init(_ identity: Identity, topic: String) {
        prefix = [UInt8]("\(identity.subject): ".utf8)
        self.topic = "secure/\(topic)"
    }

    func onOpen(_ connection: Connection) {
        switch connection.subscribe(to: topic) {
        case .invalidName: connection.close(.policyViolation, reason: "not a topic's name")
        case .tooMany: connection.close(.policyViolation, reason: "too many topics")
        default: break
        }
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        let said = prefix + payload.bytes
        connection.publish(said.span.bytes, as: kind, to: topic)
    }
}

extension RealtimeApp {
    /// `/ws/secure/{topic}` and `POST /token`.
    func addAuthentication(to router: inout Router) {
        let authentication = self.authentication
        router.webSocket(Route.secure.path, adjusting: adjustment(.secure)) { request in
            let topic = request.parameters["topic"] ?? ""
            return try authentication.admit(request) { SecureMember($0, topic: topic) }
        }
        router.post("/token") { try await authentication.signIn($0) }
    }
}
