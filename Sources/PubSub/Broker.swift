/// A carrier of publications between servers, or within one.
///
/// Every broker gives the guarantees below. The suite of `WebSocketTesting` checks them on brokers
/// that are connected:
///
/// - **At most once.** A publication reaches a subscriber once or not at all. Publications before a
///   subscription took effect, or while the broker was unreachable, are not sent later.
/// - **No silent gap.** When subscriptions are lost or can't be made, so that publications may be
///   missed, the server receives ``BrokerEvent/gap(_:)``, and ``BrokerEvent/restored`` when all of
///   its subscriptions are in effect again.
/// - **No false success.** A publication counts as accepted only when the broker has confirmed it.
///   A failed publication may still arrive, since perhaps only the confirmation was lost.
/// - **One order per topic.** All servers receive the publications of one topic in the same order,
///   and the publications of one caller in the order of its calls. Between topics there is no
///   order.
/// - **Names by bytes.** Topics whose names differ in a byte are different, even if the names are
///   canonically equivalent.
/// - **No separate echo.** The publishing server's own subscribers get a publication by the same
///   path as all others, exactly once.
///
/// A subscription takes effect at once in ``MemoryBroker``. Elsewhere it does a moment after
/// ``subscribe(to:)``, once the other side knows of it. Calls may come from any thread, must not
/// block, and must not call `receive` before they return, except ``publish(_:completion:)``.
public protocol Broker: AnyObject, Sendable {
    /// Starts the broker; called once, before any method but ``publish(_:completion:)``. `receive`
    /// takes the publications for this server's subscribers. It returns an error if the server
    /// drops a publication because too much is pending; the broker passes the error on to the
    /// publisher if it can. The broker keeps trying to connect until ``stop()``; ``health`` says
    /// whether it is usable.
    func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?)
    /// Publishes. `completion` is called on any thread, with `nil` if the broker has accepted the
    /// publication.
    ///
    /// Programs may publish before the start. If the publication can have subscribers by then, such
    /// as those of other servers, it waits for the start, but not without a limit.
    func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?)
    /// Subscribes this server to a topic; called for its first subscriber.
    func subscribe(to topic: String)
    /// Ends this server's subscription to a topic; called when no subscriber is left. Publications
    /// that still arrive are dropped, so a broker within one process may ignore the call.
    func unsubscribe(from topic: String)
    /// The broker's state now; any thread.
    var health: BrokerHealth { get }
    /// Stops the broker. Returns once nothing is received any more; nothing is published after it.
    func stop() async
}

/// An event that a broker reports to its server.
public enum BrokerEvent: Sendable {
    /// A publication for this server's subscribers. The server drops it if more than twice
    /// `TopicConfiguration.backlogMax` is pending, which is a gap for the subscribers.
    case publication(Publication)
    /// A publication whose publisher receives the server's answer. The server refuses it if more
    /// than `TopicConfiguration.backlogMax` is pending, which is no gap.
    case offer(Publication)
    /// Subscriptions were lost or can't be made, for the reason given: publications may be missed.
    case gap(String)
    /// The end of a gap: all subscriptions are in effect again.
    case restored
}

/// The state of a broker.
public struct BrokerHealth: Sendable, Hashable {
    /// Whether publications are accepted and received.
    public var isReady: Bool
    /// The state or the error, for people; contains no secrets.
    public var description: String
    /// The number of gaps so far.
    public var gaps: Int

    /// Creates a state.
    public init(isReady: Bool, description: String, gaps: Int = 0) {
        self.isReady = isReady
        self.description = description
        self.gaps = gaps
    }
}

extension Broker {
    /// Publishes; returns once the broker has accepted the publication, and throws if it hasn't.
    public func publish(_ publication: Publication) async throws(BrokerError) {
        let error = await withCheckedContinuation { continuation in
            publish(publication) { continuation.resume(returning: $0) }
        }
        if let error { throw error }
    }
}

/// The reason why a broker has not accepted a publication.
public struct BrokerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of an error.
    public struct Code: Sendable, Hashable {
        private let name: String
        /// The broker can't be reached, has refused, or has too much to do. The publication is
        /// lost, or its fate is unknown.
        public static let unavailable = Code(name: "unavailable")
        /// The broker was stopped.
        public static let stopped = Code(name: "stopped")
    }

    /// This server's loops are too far behind with earlier publications.
    package static let overloaded = BrokerError(.unavailable, "too much waits to be delivered")

    /// The kind of the error.
    public let code: Code
    /// The problem, for people; contains no secrets.
    public let description: String

    /// Creates an error.
    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
