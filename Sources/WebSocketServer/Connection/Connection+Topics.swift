import PubSub
public import WebSocketProtocol
import UVTransport

/// Topics, for the connections of a server.
extension Connection: MessagePublisher {
    /// The outcome of a subscription.
    public enum SubscribeOutcome: Sendable, Hashable {
        /// Later publications are sent to the connection.
        case subscribed
        /// The connection subscribed to the topic before.
        case alreadySubscribed
        /// Empty, longer than ``TopicConfiguration/nameSizeMax``, or with control characters.
        case invalidName
        /// The connection has ``TopicConfiguration/perConnectionMax`` subscriptions.
        case tooMany
        /// Called from another thread: the connection's loop subscribes it in a moment.
        case handedOver
        /// The connection is closing or over, or a client's.
        case unavailable
    }

    /// Subscribes to a topic: later publications to it are sent to this connection. A topic exists
    /// as long as it has subscribers. Any thread; only the connection's loop knows the outcome at
    /// once.
    @discardableResult
    public func subscribe(to topic: String) -> SubscribeOutcome {
        guard core.loop.isCurrent else {
            let isHandedOver = core.loop.execute { [self] in subscribe(to: topic) }
            return isHandedOver ? .handedOver : .unavailable
        }
        guard core.takesMessages, let topics = core.resources.topics else { return .unavailable }
        return topics.subscribe(core.makeSubscriber(), to: topic)
    }

    /// Ends a subscription, if there is one: no further publications of the topic are sent. Any
    /// thread.
    public func unsubscribe(from topic: String) {
        core.onLoop { core in
            guard let topics = core.resources.topics, let subscriber = core.subscriber else {
                return
            }
            topics.unsubscribe(subscriber, from: topic)
        }
    }

    /// The topics that the connection subscribes to, in no particular order. On the connection's
    /// loop; traps elsewhere.
    public var subscriptions: [String] {
        precondition(core.loop.isCurrent, "subscriptions are read on the connection's loop")
        return core.subscriber?.memberships.map(\.topic.name) ?? []
    }

    public func publish(_ payload: RawSpan, as kind: MessageKind, to topic: String, key: String?) {
        guard let topics = core.resources.topics else { return }
        guard topics.hub.hasRoom else {
            topics.onPublishResult?(.overloaded)
            return
        }
        topics.broker.publish(
            Publication(payload, as: kind, to: topic, key: key), completion: topics.onPublishResult)
    }
}
