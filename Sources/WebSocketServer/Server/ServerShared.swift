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
    /// Read when the server is made.
    let descriptors = Descriptors()
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
        let memory = ByteBudget(
            max: max(limits.memoryMax, limits.assemblySizeMax, limits.messageSizeMax).bytes)
        self.memory = memory
        admission = Admission(
            max: limits.connectionsMax, perAddressMax: limits.connectionsPerAddressMax,
            proxies: configuration.proxies, isOverloaded: { memory.isOverrun })
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
        guard makeRoom(for: descriptor, from: peer, on: context) else {
            Glibc.close(descriptor)
            return
        }
        let exchange = HTTPExchange.take(for: context, of: self)
        if configuration.proxies.trusts(peer) { exchange.proxy = peer }
        let connection = ConnectionCore(
            context: context, peer: peer, role: .server, options: sessionOptions,
            opening: isAnnounced ? ProxyPreamble(for: exchange) : exchange)
        connection.waitInPlace()
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

    /// Counts an accepted connection in, for which another one may have to leave; false if it is
    /// refused.
    private func makeRoom(
        for descriptor: Int32, from peer: SocketAddress, on context: LoopContext
    ) -> Bool {
        // The kernel gives out the lowest number that is free.
        let isShort = Int(descriptor) >= descriptors.end
        let entry = admission.enter(peer, isShort: isShort)
        if let evicted = entry.evicted {
            evicted.evict()
            warnings.evicted.log()
        }
        guard entry.verdict == .noRoom else { return true }
        context.counters.refusedAtAccept += 1
        if isShort {
            warnings.short.log(["limit": "\(descriptors.limit)"])
        } else {
            warnings.unplaced.log(["peer": "\(peer)"])
        }
        return false
    }
}

/// What a server, or a client's loop, logs that peers or the system can cause many times a second.
struct ServerWarnings: Sendable {
    /// Accepting failed; a kind is an error's code.
    let unaccepted: LogThrottle
    /// An accepted descriptor is of no use; the same.
    let unopened: LogThrottle
    /// Descriptors run short: a connection is closed when it is accepted.
    let short: LogThrottle
    /// So it is for other reasons: its address has too many, or no one else can leave for it.
    let unplaced: LogThrottle
    /// A connection left for another.
    let evicted: LogThrottle
    /// What connections published.
    let refused: LogThrottle
    /// Memory was spent, and connections were closed for it.
    let shed: LogThrottle
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
        shed = LogThrottle(
            "memory is spent: closed the connections that held the most", logger: logger)
        slowTurn = LogThrottle("event loop turn was slow", logger: logger)
        unopened = LogThrottle("could not open a connection", logger: logger)
        short = LogThrottle(
            "too few file descriptors are left: connections are closed", logger: logger)
        unplaced = LogThrottle("too many connections: new ones are closed", logger: logger)
        evicted = LogThrottle(
            "too many connections: those are closed that have waited longest", logger: logger)
        refused = LogThrottle(
            "the broker refused publications of connections: they are lost", logger: logger)
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
