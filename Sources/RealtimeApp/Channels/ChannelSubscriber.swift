import HTTPProtocol
import WebSocketServer

/// A client of a channel (S7): it gets what is published there, and publishes nothing itself,
/// since anyone may connect.
final class ChannelSubscriber: ConnectionHandler, Sendable {
    private let topic: String
    private let advice: String

    init(channel: ExactString) {
        topic = Channels.topic(of: channel)
        advice = "publish by POST /publish/\(channel)"
    }

    func onOpen(_ connection: Connection) {
        switch connection.subscribe(to: topic) {
        case .subscribed, .alreadySubscribed, .handedOver: break
        // The name was checked before the upgrade, by larger limits than are set here.
        case .invalidName:
            connection.close(.policyViolation, reason: "the channel's name is too long")
        case .tooMany, .unavailable:
            connection.close(.policyViolation, reason: "can't subscribe to the channel")
        }
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        connection.close(.policyViolation, reason: advice)
    }
}
