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
/// Publications before the end of the first attempt to connect wait for it.
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
            state.withLock { $0.health.description = "\(error)" }
            return
        }
        let core = RedisCore(
            loop: group.loops[0], url: url, prefix: prefix, options: options, logger: logger,
            receive: receive
        ) { [weak self] health in
            self?.state.withLock { $0.health = health }
        }
        state.withLock { state in
            state.group = group
            state.core = core
        }
        core.loop.execute { core.start() }
    }

    public func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
    ) {
        let size = publication.payloadCount
        let (core, refusal) = state.withLock { $0.admit(size, options) }
        guard let core else {
            completion?(refusal)
            return
        }
        let runs = core.loop.execute { [self] in
            core.publish(publication) { [self] error in
                state.withLock { $0.release(size) }
                completion?(error)
            }
        }
        if !runs {
            state.withLock { $0.release(size) }
            completion?(.stopped)
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
        let (core, group) = state.withLock { state in
            defer {
                state.core = nil
                state.group = nil
                state.health = BrokerHealth(
                    isReady: false, description: "stopped", gaps: state.health.gaps)
            }
            return (state.core, state.group)
        }
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

/// The state that a ``RedisBroker`` guards. It isn't nested, because Swift 6.3 miscompiles that.
struct RedisBrokerState {
    var core: RedisCore?
    var group: EventLoopGroup?
    var health = BrokerHealth(isReady: false, description: "not connected yet")
    var leftovers: Int?
    /// The number of pending publications, and their size in bytes.
    private(set) var inFlight = 0
    private var inFlightSize = 0

    var openAtEnd: Int? { leftovers.map { $0 + inFlight } }

    /// Admits a publication of `size` bytes, which counts until ``release(_:)``. Returns the core
    /// that publishes it, or the error.
    mutating func admit(_ size: Int, _ options: RedisOptions) -> (RedisCore?, BrokerError?) {
        guard let core else { return (nil, .stopped) }
        guard inFlight < options.inFlightMax, inFlightSize < options.inFlightSizeMax else {
            let detail = "too many publications are pending: \(inFlight), \(inFlightSize) bytes"
            return (nil, BrokerError(.unavailable, detail))
        }
        inFlight += 1
        inFlightSize += size
        return (core, nil)
    }

    mutating func release(_ size: Int) {
        inFlight -= 1
        inFlightSize -= size
    }
}

extension BrokerError {
    static let stopped = BrokerError(.stopped, "the broker is stopped")
}
