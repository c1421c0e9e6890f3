import Synchronization

/// The broker within one process, and the default: publications reach all loops at once, and none
/// is lost on the way.
public final class MemoryBroker: Broker {
    private let receiver = Mutex<MemoryBrokerReceiver?>(nil)

    public init() {}

    public func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {
        receiver.withLock { $0 = MemoryBrokerReceiver(receive: receive) }
    }

    public func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
    ) {
        // The order of a topic is that of the calls: one caller's calls are in sequence.
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

/// The function that receives a ``MemoryBroker``'s publications. A `Mutex` that guards the bare
/// function would wrap it anew each time the lock is taken, so that each call would be slower than
/// the one before.
private struct MemoryBrokerReceiver: Sendable {
    let receive: @Sendable (BrokerEvent) -> BrokerError?
}
