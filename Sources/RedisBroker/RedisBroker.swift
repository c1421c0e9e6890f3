public import Logging
import Synchronization
import UVTransport
public import WebSocketServer

/// Carries publications between servers by Redis's channels, on an event loop of its own.
///
/// It subscribes to the channels of topics that its server has subscribers to, and to no others.
/// Lost connections are made anew, with growing pauses; what was published meanwhile is lost, and
/// the server is told of the gap, which may begin with the first attempt to connect. Every two
/// seconds a probe is published and has to come back, so that a subscription that is dead behind an
/// open connection is found out within six seconds.
///
/// A publication is taken when Redis has answered and is no replica. A publication fails with
/// ``BrokerError/Code/unavailable`` while there is no connection, when it is not answered within
/// five seconds, when it is larger than 64 MiB, and while 16,384 publications or 64 MiB of them
/// await their answers. What is published before the first attempt to connect has ended waits for
/// its end.
///
/// A master that becomes a replica is left, which is a gap, and so is a replica that a new
/// connection leads to; a host name is looked up again for each attempt. The role is known from
/// Redis 6 on, to users who may send `HELLO`. Replicas in a cluster are as good as masters.
///
/// A topic's channel is the prefix and its name. Publications with the same prefix meet, whatever
/// database the URL names: Redis's channels belong to none. An ACL user needs
/// `+@pubsub +@connection` and the channels: `resetchannels &apus:*`.
public final class RedisBroker: Broker {
    private let url: RedisURL
    private let prefix: String
    private let logger: Logger
    private let options: RedisOptions
    private let state: Mutex<RedisBrokerState>

    /// A broker that doesn't connect yet.
    ///
    /// - Parameter prefix: before the name of each topic, in what Redis calls its channel.
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

    /// Returns within half a second, whatever Redis does.
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
        // Not from its own loop, which can't wait for itself.
        let handles = await withTaskExecutorPreference(globalConcurrentExecutor) {
            group.shutdown()
        }
        state.withLock { $0.leftovers = handles }
        if handles != 0 {
            logger.error("something was left open", metadata: ["handles": "\(handles)"])
        }
    }

    /// Handles and publications that a stop left open; `nil` before. Zero, unless there is a leak.
    package var leftovers: Int? { state.withLock { $0.openAtEnd } }
}

/// What a ``RedisBroker`` guards; not nested in it, which Swift 6.3 miscompiles.
struct RedisBrokerState {
    var core: RedisCore?
    var group: EventLoopGroup?
    var health = BrokerHealth(isReady: false, description: "not connected yet")
    var leftovers: Int?
    /// Publications that await Redis's answer, and their bytes.
    private(set) var inFlight = 0
    private var inFlightSize = 0

    var openAtEnd: Int? { leftovers.map { $0 + inFlight } }

    /// Where a publication goes, which then counts until ``release(_:)``; or why it doesn't.
    mutating func admit(_ size: Int, _ options: RedisOptions) -> (RedisCore?, BrokerError?) {
        guard let core else { return (nil, .stopped) }
        guard inFlight < options.inFlightMax, inFlightSize < options.inFlightSizeMax else {
            let detail = "too many publications wait for Redis: \(inFlight), \(inFlightSize) bytes"
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
