import PubSub
public import WebSocketProtocol
import UVTransport

/// Topics, for the connections of a server.
extension Connection {
    public enum SubscribeOutcome: Sendable, Hashable {
        case subscribed
        case alreadySubscribed
        /// Empty, longer than ``TopicOptions/nameSizeMax``, or with control characters.
        case invalidName
        /// The connection has ``TopicOptions/perConnectionMax`` subscriptions.
        case tooMany
        /// Called from another thread: the connection's loop subscribes it in a moment.
        case handedOver
        /// The connection is closing or over, or a client's.
        case unavailable
    }

    /// Subscribes to a topic: later publications to it are sent to this connection. A topic exists
    /// as long as it has subscribers.
    @discardableResult
    public func subscribe(to topic: String) -> SubscribeOutcome {
        guard core.loop.isCurrent else {
            let isHandedOver = core.loop.execute { [self] in subscribe(to: topic) }
            return isHandedOver ? .handedOver : .unavailable
        }
        guard core.takesMessages, let topics = core.resources.topics else { return .unavailable }
        return topics.subscribe(core.makeSubscriber(), to: topic)
    }

    /// Ends a subscription: no further publications of the topic are sent, apart from those already
    /// sent.
    public func unsubscribe(from topic: String) {
        core.onLoop { core in
            guard let topics = core.resources.topics, let subscriber = unsafe core.subscriber else {
                return
            }
            topics.unsubscribe(subscriber, from: topic)
        }
    }

    /// The topics that the connection subscribes to; to be called on its loop.
    public var subscriptions: [String] {
        unsafe core.subscriber?.memberships.map(\.topic.name) ?? []
    }

    /// Publishes a message to all subscribers of a topic, this connection included if it is one;
    /// any thread. Text must be UTF-8, which is not checked here. A publication that the broker
    /// refuses is lost. It is counted (``Counters/publicationsRefused``), and a warning is logged
    /// every ten seconds at most. For `key` see ``Publication/key``.
    public func publish(
        _ payload: RawSpan, as kind: MessageKind, to topic: String, key: String? = nil
    ) {
        guard let topics = core.resources.topics else { return }
        guard topics.hub.hasRoom else {
            topics.onPublishResult?(.overloaded)
            return
        }
        topics.broker.publish(
            Publication(payload, as: kind, to: topic, key: key), completion: topics.onPublishResult)
    }

    /// Publishes a text message.
    public func publish(_ text: String, to topic: String, key: String? = nil) {
        unsafe publish(text.utf8Span.span.bytes, as: .text, to: topic, key: key)
    }
}
