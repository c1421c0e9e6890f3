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
        /// From another thread: it is being seen to.
        case handedOver
        /// The connection is closing or over, or a client's.
        case unavailable
    }

    /// Subscribes to a topic: what is published to it from here on is sent to this connection.
    /// The topic is made by its first subscriber, and goes with its last.
    @discardableResult
    public func subscribe(to topic: String) -> SubscribeOutcome {
        guard core.loop.isCurrent else {
            let isHandedOver = core.loop.execute { [self] in subscribe(to: topic) }
            return isHandedOver ? .handedOver : .unavailable
        }
        guard core.stage == .open, let topics = core.resources.topics,
            let subscriber = core.makeSubscriber()
        else { return .unavailable }
        return topics.subscribe(subscriber, to: topic)
    }

    /// Ends a subscription: nothing of the topic is sent after what has been sent already.
    public func unsubscribe(from topic: String) {
        core.onLoop { core in
            guard let topics = core.resources.topics, let subscriber = unsafe core.subscriber else {
                return
            }
            _ = topics.unsubscribe(subscriber, from: topic)
        }
    }

    /// The topics that the connection subscribes to. On its loop.
    public var subscriptions: [String] {
        unsafe core.subscriber?.memberships.map(\.topic.name) ?? []
    }

    /// Publishes a message to all subscribers of a topic, this connection included if it is one;
    /// any thread. Text must be UTF-8, which is not checked here. What the broker refuses is lost,
    /// counted (``Counters/publicationsRefused``), and warned of every ten seconds at most.
    ///
    /// - Parameter key: see ``Publication/key``.
    public func publish(
        _ payload: RawSpan, as kind: MessageKind, to topic: String, key: String? = nil
    ) {
        guard let topics = core.resources.topics else { return }
        guard topics.hub.hasRoom else {
            topics.onAnswer?(.overloaded)
            return
        }
        topics.broker.publish(
            Publication(payload, as: kind, to: topic, key: key), completion: topics.onAnswer)
    }

    /// Publishes a text message.
    public func publish(_ text: String, to topic: String, key: String? = nil) {
        unsafe publish(text.utf8Span.span.bytes, as: .text, to: topic, key: key)
    }
}

extension ConnectionCore {
    /// What the connection holds for topics, made with its first subscription.
    func makeSubscriber() -> Subscriber? {
        if let subscriber = unsafe subscriber { return subscriber }
        let made = Subscriber(
            connection: self, mode: unsafe compression?.topicMode ?? .plain,
            threshold: unsafe compression?.threshold ?? 0,
            windowBits: unsafe compression?.sendWindowBits ?? 15,
            level: unsafe compression?.level ?? 1)
        unsafe subscriber = made
        return made
    }

    /// What waits is sent no more; neither is what is in the outbox, if so.
    func forgetBacklog(andOutbox: Bool = false) {
        if let subscriber = unsafe subscriber {
            resources.topics?.forget(subscriber, andOutbox: andOutbox)
        }
    }

    /// Sends whole frames that others are sent too, from where they are.
    func sendFrames(_ frames: UnsafeRawBufferPointer, count: Int, payloadCount: Int) {
        let counts = unsafe resources.messageCounts
        unsafe counts.pointee.messagesSent &+= UInt64(count)
        unsafe counts.pointee.bytesSent &+= UInt64(payloadCount)
        lifecycle.sentMessage(now: loop.now)
        unsafe writeNow(frames)
    }

    /// Sends a whole frame of a server's, which may be shared with others.
    func sendFrame(_ frame: UnsafeRawBufferPointer, payloadCount: Int) {
        let counts = unsafe resources.messageCounts
        unsafe counts.pointee.messagesSent &+= 1
        unsafe counts.pointee.bytesSent &+= UInt64(payloadCount)
        lifecycle.sentMessage(now: loop.now)
        if frame.count >= Self.gatherSizeMin {
            unsafe write(
                header: UnsafeRawBufferPointer(rebasing: frame[..<2]),
                payload: UnsafeRawBufferPointer(rebasing: frame[2...]))
        } else if let place = unsafe append(frame.count) {
            unsafe place.copyMemory(from: frame.baseAddress!, byteCount: frame.count)
        }
    }
}
