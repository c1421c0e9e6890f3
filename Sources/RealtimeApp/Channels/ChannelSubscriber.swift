import HTTPProtocol
import WebSocketServer

/// A subscriber of a channel. It receives the channel's publications, but can't publish, because
/// anyone may connect.
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
        // The name was checked before the upgrade, against larger limits than these.
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
