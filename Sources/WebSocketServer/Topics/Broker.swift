import Synchronization

/// Carries publications between servers, or within one.
///
/// Guarantees that every broker gives, and ``WebSocketTesting`` checks for each:
///
/// - **At most once.** A publication reaches a subscriber once or not at all; what was published
///   before it subscribed, or while the broker was out of reach, is not made up for.
/// - **One order a topic.** All servers hand the publications of one topic to the hub in the same
///   order. Between topics there is none.
/// - **No echo by halves.** The publisher's own server gets its publications by the same way as
///   every other, and never twice.
///
/// Calls may come from any thread and must not block.
public protocol Broker: AnyObject, Sendable {
    /// Told once, before anything else, where publications for this server's subscribers go.
    func start(_ receive: @escaping @Sendable (Publication) -> Void)
    /// Publishes; `completion` hears whether the broker has taken it, on any thread.
    func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?)
    /// This server has its first subscriber to a topic.
    func subscribe(to topic: String)
    /// This server has no subscriber to a topic left.
    func unsubscribe(from topic: String)
    /// Nothing more is published; returns once nothing is received any more.
    func stop() async
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
        /// The broker can't be reached; the publication is lost.
        public static let unavailable = Code(name: "unavailable")
        /// The broker was stopped, or never started.
        public static let stopped = Code(name: "stopped")
    }

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

    public func start(_ receive: @escaping @Sendable (Publication) -> Void) {
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
        receiver.receive(publication)
        completion?(nil)
    }

    public func subscribe(to topic: String) {}
    public func unsubscribe(from topic: String) {}
    public func stop() async { receiver.withLock { $0 = nil } }
}

/// Whom a ``MemoryBroker`` tells. A function that a `Mutex` guards bare is wrapped anew each time
/// the lock is taken and put back so: each call would be slower than the one before.
private struct MemoryBrokerReceiver: Sendable {
    let receive: @Sendable (Publication) -> Void
}
