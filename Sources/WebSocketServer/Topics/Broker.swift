import Synchronization

/// Carries publications between servers, or within one.
///
/// Guarantees that every broker gives. ``WebSocketTesting`` checks them for each, but for what is
/// published while a broker is out of reach:
///
/// - **At most once.** A publication reaches a subscriber once or not at all; what was published
///   before its subscription took effect, or while the broker was out of reach, is not made up for.
/// - **No silent gap.** When subscriptions are lost or can't be made, so that publications may be
///   missed, the server is told (``BrokerEvent/gap(_:)``), and told again when all of its
///   subscriptions are in effect once more (``BrokerEvent/restored``).
/// - **No false success.** A publication counts as taken only when the broker has said so. One that
///   failed may still arrive: its answer may be what was lost.
/// - **One order a topic.** All servers hand the publications of one topic to the hub in the same
///   order, and those of one caller in the order of its calls. Between topics there is none.
/// - **Names by bytes.** Topics whose names differ in a byte are two, canonically equivalent or not.
/// - **No echo by halves.** The publisher's own server gets its publications by the same way as
///   every other, and never twice.
///
/// A subscription takes effect at once in ``MemoryBroker``, and elsewhere a moment after
/// ``subscribe(to:)``: once the other side knows of it. Calls may come from any thread, must not
/// block, and must not call `receive` before they return, but for ``publish(_:completion:)``.
public protocol Broker: AnyObject, Sendable {
    /// Told once, before anything else, where publications for this server's subscribers go. It
    /// goes on trying to be of use until ``stop()``; ``health`` says whether it is.
    ///
    /// `receive` returns an error if the server drops a publication because too much waits to be
    /// delivered. The broker passes the error to the publisher if it can.
    func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?)
    /// Publishes; `completion` hears whether the broker has taken it, on any thread.
    func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?)
    /// This server has its first subscriber to a topic.
    func subscribe(to topic: String)
    /// This server has no subscriber to a topic left. What still comes of the topic is dropped: a
    /// broker that reaches no one else need not look at it.
    func unsubscribe(from topic: String)
    /// Whether the broker can be relied on now; any thread.
    var health: BrokerHealth { get }
    /// Nothing more is published; returns once nothing is received any more.
    func stop() async
}

/// What a broker tells its server.
public enum BrokerEvent: Sendable {
    /// A publication for this server's subscribers. The server drops it if more than twice
    /// ``TopicOptions/backlogMax`` waits to be delivered, which is a gap for the subscribers.
    case publication(Publication)
    /// A publication whose publisher receives the server's answer. The server refuses it if more
    /// than ``TopicOptions/backlogMax`` waits to be delivered, which is no gap.
    case offer(Publication)
    /// The subscriptions were lost or can't be made, for a reason: publications may be missed.
    case gap(String)
    /// After a gap: all subscriptions are in effect again.
    case restored
}

/// Whether a broker can be relied on.
public struct BrokerHealth: Sendable, Hashable {
    /// Publications are taken and received.
    public var isReady: Bool
    /// In what state it is, or what is wrong, for people; without secrets.
    public var description: String
    /// Gaps so far.
    public var gaps: Int

    public init(isReady: Bool, description: String, gaps: Int = 0) {
        self.isReady = isReady
        self.description = description
        self.gaps = gaps
    }
}

extension Broker {
    /// Publishes; returns once the broker has taken it, throws when it hasn't.
    public func publish(_ publication: Publication) async throws(BrokerError) {
        let error = await withCheckedContinuation { continuation in
            publish(publication) { continuation.resume(returning: $0) }
        }
        if let error { throw error }
    }
}

/// Why a broker has not taken a publication.
public struct BrokerError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        private let name: String
        /// The broker can't be reached, refused, or has too much to do. The publication is lost,
        /// or at least nothing is known of it.
        public static let unavailable = Code(name: "unavailable")
        /// The broker was stopped, or never started.
        public static let stopped = Code(name: "stopped")
    }

    /// This server's loops are too far behind with what was published before.
    static let overloaded = BrokerError(.unavailable, "too much waits to be delivered")

    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// The broker within one process: what is published is with all loops at once, and never lost on
/// the way. It is the default.
public final class MemoryBroker: Broker {
    private let receiver = Mutex<MemoryBrokerReceiver?>(nil)

    public init() {}

    public func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {
        receiver.withLock { $0 = MemoryBrokerReceiver(receive: receive) }
    }

    public func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
    ) {
        // The order of a topic is that of the calls: a caller's own are in sequence.
        guard let receiver = receiver.withLock({ $0 }) else {
            completion?(BrokerError(.stopped, "the broker is stopped"))
            return
        }
        let error = receiver.receive(.offer(publication))
        completion?(error)
    }

    public func subscribe(to topic: String) {}
    public func unsubscribe(from topic: String) {}
    public var health: BrokerHealth { BrokerHealth(isReady: true, description: "in memory") }
    public func stop() async { receiver.withLock { $0 = nil } }
}

/// Whom a ``MemoryBroker`` tells. A function that a `Mutex` guards bare is wrapped anew each time
/// the lock is taken and put back so: each call would be slower than the one before.
private struct MemoryBrokerReceiver: Sendable {
    let receive: @Sendable (BrokerEvent) -> BrokerError?
}
