public import Logging
import Synchronization
import UVTransport
public import WebSocketServer

/// A broker that carries publications between servers through Redis channels, on its own event
/// loop.
///
/// It subscribes only to the channels of topics that its server has subscribers to. It reconnects
/// after a loss, with growing delays. Publications of the meantime are lost, and the server
/// receives a gap; a gap may begin with the first attempt to connect. Every two seconds the broker
/// publishes a probe to itself. So it detects within six seconds that a subscription no longer
/// works although the connection is open.
///
/// A publication is accepted when Redis has answered and isn't a replica. It fails with
/// ``BrokerError/Code/unavailable`` if there is no connection, if Redis doesn't answer within five
/// seconds, if it is larger than 64 MiB, or if 16,384 publications or 64 MiB of them are pending.
/// A publication that is made before the start waits up to five seconds for the start. During the
/// first attempt to connect, publications wait for its end.
///
/// The broker closes its connection if the master becomes a replica, which is a gap, or if a new
/// connection leads to a replica. Each attempt resolves the host name again. The role is known for
/// Redis 6 and later, if the user may send `HELLO`. In a cluster, replicas are as good as masters.
///
/// The channel of a topic is the prefix followed by the name. All publications with the same prefix
/// share their channels, whatever database the URL names, because Redis channels belong to no
/// database. An ACL user needs `+@pubsub +@connection` and the channels: `resetchannels &apus:*`.
public final class RedisBroker: Broker {
    private let url: RedisURL
    private let prefix: String
    private let logger: Logger
    private let options: RedisOptions
    private let state: Mutex<RedisBrokerState>

    /// Creates a broker. It connects when it is started.
    ///
    /// - Parameter prefix: The text before the name of each topic in the name of its Redis channel.
    public convenience init(url: RedisURL, prefix: String = "apus:", logger: Logger) {
        self.init(url: url, prefix: prefix, logger: logger, options: RedisOptions())
    }

    package init(url: RedisURL, prefix: String, logger: Logger, options: RedisOptions) {
        self.url = url
        self.prefix = prefix
        self.logger = logger
        self.options = options
        state = Mutex(RedisBrokerState())
    }

    public var health: BrokerHealth { state.withLock { $0.health } }

    public func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {
        let group: EventLoopGroup
        do throws(TransportError) {
            group = try EventLoopGroup(count: 1)
        } catch {
            logger.critical("the broker can't start", metadata: ["error": "\(error)"])
            for early in state.withLock({ $0.fail("\(error)") }) {
                finish(early, BrokerError(.unavailable, "\(error)"))
            }
            return
        }
        let core = RedisCore(
            loop: group.loops[0], url: url, prefix: prefix, options: options, logger: logger,
            receive: receive
        ) { [weak self] health in
            self?.state.withLock { $0.health = health }
        }
        state.withLock { state in
            // Under the lock, so that publications which follow stay behind the early ones.
            for early in state.start(core, on: group) {
                core.loop.execute { [self] in publish(early, by: core) }
            }
        }
        core.loop.execute { core.start() }
    }

    public func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
    ) {
        let pending = PendingPublication(publication: publication, completion: completion)
        switch state.withLock({ $0.admit(pending, options) }) {
        case .core(let core):
            let runs = core.loop.execute { [self] in publish(pending, by: core) }
            if !runs { finish(pending, .stopped) }
        case .waits(let number): expire(number)
        case .refused(let error): completion?(error)
        }
    }

    private func publish(_ pending: PendingPublication, by core: RedisCore) {
        core.publish(pending.publication) { [self] in finish(pending, $0) }
    }

    private func finish(_ pending: PendingPublication, _ error: BrokerError?) {
        state.withLock { $0.release(pending) }
        pending.completion?(error)
    }

    /// Refuses an early publication if the broker isn't started in time. There is no event loop
    /// yet to schedule that on.
    private func expire(_ number: Int) {
        Task { [weak self, options] in
            try? await Task.sleep(for: options.commandTimeout)
            guard let self, let pending = state.withLock({ $0.takeEarly(number) }) else { return }
            let detail = "the broker was not started within \(options.commandTimeout)"
            finish(pending, BrokerError(.unavailable, detail))
        }
    }

    public func subscribe(to topic: String) {
        guard let core = state.withLock({ $0.core }) else { return }
        core.loop.execute { core.subscribe(to: topic) }
    }

    public func unsubscribe(from topic: String) {
        guard let core = state.withLock({ $0.core }) else { return }
        core.loop.execute { core.unsubscribe(from: topic) }
    }

    /// Stops within half a second, whatever Redis does.
    public func stop() async {
        let (core, group, early) = state.withLock { $0.stop() }
        for pending in early { finish(pending, .stopped) }
        guard let core, let group else { return }
        await withCheckedContinuation { continuation in
            let runs = core.loop.execute { core.stop { continuation.resume() } }
            if !runs { continuation.resume() }
        }
        // A loop can't wait for itself to end, so this runs on another thread.
        let handles = await withTaskExecutorPreference(globalConcurrentExecutor) {
            group.shutdown()
        }
        state.withLock { $0.leftovers = handles }
        if handles != 0 {
            logger.error("something was left open", metadata: ["handles": "\(handles)"])
        }
    }

    /// The handles and publications that a stop left open; `nil` before. Not zero means a leak.
    package var leftovers: Int? { state.withLock { $0.openAtEnd } }
}
