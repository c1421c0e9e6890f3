import Glibc
import HTTPProtocol
import Logging
import Synchronization
import UVTransport

/// What all loops of one server read: fixed once it runs.
final class ServerShared: Sendable {
    let configuration: ServerConfiguration
    let router: Router
    let logger: Logger
    let admission: Admission
    let budget: ByteBudget
    /// What peers may make the server hold.
    let memory: ByteBudget
    /// What contexts of compression may hold.
    let contextBudget: ByteBudget
    /// Of routes that adjust nothing, and, by the router's numbers, of those that do.
    let sessionOptions: SessionOptions
    private let adjustedOptions: [SessionOptions]
    let broker: any Broker
    /// What may wait for slow subscribers.
    let backlogBudget: ByteBudget
    /// What may wait until the loops have delivered it.
    let deliveryBudget: ByteBudget
    let httpLimits: HTTPLimits
    /// Milliseconds.
    let handshakeTimeout: UInt64
    /// A stop has begun; connections may still be served, see ``Drain/delay``.
    let isDraining = Atomic<Bool>(false)
    /// Publications have been dropped, and subscribers are dealt with as after any gap: set until
    /// the loops have caught up.
    let isOverloaded = Atomic<Bool>(false)
    let warnings: ServerWarnings
    private let lastLedger = Mutex<Ledger?>(nil)

    init(
        configuration: ServerConfiguration, router: Router, broker: any Broker, logger: Logger
    ) {
        self.broker = broker
        backlogBudget = ByteBudget(max: configuration.topics.backlogMax.bytes)
        deliveryBudget = ByteBudget(max: configuration.topics.backlogMax.bytes)
        self.configuration = configuration
        self.router = router
        self.logger = logger
        warnings = ServerWarnings(logger: logger)
        let limits = configuration.limits
        admission = Admission(
            max: limits.connectionsMax, perAddressMax: limits.connectionsPerAddressMax,
            proxies: configuration.proxies)
        memory = ByteBudget(
            max: max(limits.memoryMax, limits.assemblySizeMax, limits.messageSizeMax).bytes)
        budget = ByteBudget(
            max: max(limits.assemblySizeMax, limits.messageSizeMax).bytes, within: memory)
        contextBudget = ByteBudget(max: configuration.compression.memoryMax.bytes)
        let options = ConnectionOptions(
            limits: limits, heartbeat: configuration.heartbeat,
            compression: configuration.compression)
        sessionOptions = SessionOptions(options)
        adjustedOptions = router.adjustments.map { adjust in
            var adjusted = options
            adjust(&adjusted)
            return SessionOptions(adjusted)
        }
        httpLimits = HTTPLimits(
            headSizeMax: limits.handshakeSizeMax.bytes,
            headerCountMax: limits.handshakeHeadersMax, bodySizeMax: limits.bodySizeMax.bytes)
        handshakeTimeout = limits.handshakeTimeout.milliseconds
    }

    /// What was left open when the server last stopped; `nil` while it hasn't.
    var ledger: Ledger? { lastLedger.withLock { $0 } }
    func setLedger(_ ledger: Ledger) { lastLedger.withLock { $0 = ledger } }

    func options(of route: Router.OptionsIndex?) -> SessionOptions {
        route.map { adjustedOptions[$0] } ?? sessionOptions
    }

    /// Makes an accepted descriptor a connection of a loop; on that loop.
    func accept(_ descriptor: Int32, from peer: SocketAddress, on context: LoopContext) {
        let isAnnounced = configuration.proxies.proxyProtocol == .required
        if isAnnounced, !configuration.proxies.mayAnnounce(peer) {
            warnings.untrustedProxy.log(["peer": "\(peer)"])
            Glibc.close(descriptor)
            return
        }
        let judgement = admission.enter(peer)
        let exchange = HTTPExchange.take(for: context, of: self)
        if configuration.proxies.trusts(peer) {
            exchange.proxy = HTTPExchange.Proxy(address: peer, ofAll: judgement.ofAll)
        }
        let connection = ConnectionCore(
            context: context, peer: peer, role: .server, options: sessionOptions,
            admission: judgement.verdict,
            opening: isAnnounced ? ProxyPreamble(for: exchange, judgement.ofAll) : exchange)
        context.counters.accepted += 1
        do throws(TransportError) {
            try connection.adopt(ownedDescriptor: descriptor)
            exchange.begin(on: connection)
            if context.isDraining { connection.terminate() }
        } catch {
            warnings.unopened.log(["error": "\(error)"], kind: error.code)
            connection.terminate()
        }
    }
}

/// What a server, or a client's loop, logs that peers or the system can cause many times a second.
struct ServerWarnings: Sendable {
    /// Accepting failed; a kind is an error's code.
    let unaccepted: LogThrottle
    /// An accepted descriptor is of no use; the same.
    let unopened: LogThrottle
    /// What connections published.
    let refused: LogThrottle
    /// A turn of a loop took long; a kind is the loop's number.
    let slowTurn: LogThrottle
    /// What the broker brought.
    let undelivered: LogThrottle
    /// Connections of those who aren't trusted to use the PROXY protocol.
    let untrustedProxy: LogThrottle
    /// Connections that don't begin with the PROXY protocol's header.
    let invalidPreamble: LogThrottle
    /// Connections that read too slowly.
    let slowConsumer: LogThrottle
    /// Errors thrown by an upgrade's decision.
    let failedUpgrade: LogThrottle
    /// Errors thrown by a request's handler.
    let failedRequest: LogThrottle
    /// Errors thrown by an `async` connection handler.
    let failedConnection: LogThrottle

    init(logger: Logger) {
        unaccepted = LogThrottle("cannot accept connections; trying again", logger: logger)
        slowTurn = LogThrottle("event loop turn was slow", logger: logger)
        unopened = LogThrottle("could not open a connection", logger: logger)
        refused = LogThrottle(
            "the broker refuses what connections publish: it is lost", logger: logger)
        undelivered = LogThrottle(
            "too much waits to be delivered: publications are dropped", logger: logger)
        untrustedProxy = LogThrottle(
            "refused: not a trusted proxy, and the PROXY protocol is required", level: .info,
            logger: logger)
        invalidPreamble = LogThrottle(
            "refused: no header of the PROXY protocol", level: .info, logger: logger)
        slowConsumer = LogThrottle("slow consumer disconnected", level: .info, logger: logger)
        failedUpgrade = LogThrottle("upgrade failed", level: .error, logger: logger)
        failedRequest = LogThrottle("request handler failed", level: .error, logger: logger)
        failedConnection = LogThrottle("connection handler failed", level: .error, logger: logger)
    }
}
