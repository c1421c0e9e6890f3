import Synchronization

/// The broker within one process, and the default: publications reach all loops at once, and none
/// is lost on the way.
public final class MemoryBroker: Broker {
    private let state = Mutex(MemoryBrokerState.new)

    /// Creates a broker for one server.
    public init() {}

    public func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {
        state.withLock { $0 = .running(MemoryBrokerReceiver(receive: receive)) }
    }

    public func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
    ) {
        // The order of a topic is that of the calls: one caller's calls are in sequence.
        switch state.withLock({ $0 }) {
        // There are no subscribers yet.
        case .new: completion?(nil)
        case .running(let receiver):
            let error = receiver.receive(.offer(publication))
            completion?(error)
        case .stopped: completion?(BrokerError(.stopped, "the broker is stopped"))
        }
    }

    public func subscribe(to topic: String) {}
    public func unsubscribe(from topic: String) {}
    public var health: BrokerHealth { BrokerHealth(isReady: true, description: "in memory") }
    public func stop() async { state.withLock { $0 = .stopped } }
}

private enum MemoryBrokerState: Sendable {
    case new
    case running(MemoryBrokerReceiver)
    case stopped
}

/// The function that receives a ``MemoryBroker``'s publications. A `Mutex` that guards the bare
/// function would wrap it anew each time the lock is taken, so that each call would be slower than
/// the one before.
private struct MemoryBrokerReceiver: Sendable {
    let receive: @Sendable (BrokerEvent) -> BrokerError?
}
