public import Logging
public import PubSub
public import ServiceLifecycle
import Synchronization
import UVTransport

/// A WebSocket server: listens on the addresses of its configuration, and serves the routes of its
/// router.
///
/// Run it alone or as a service of a `ServiceGroup`. On graceful shutdown it stops listening and
/// drains its connections by ``ServerConfiguration/drain``; on cancellation it ends them at once.
public final class Server: Service, TopicPublisher {
    let shared: ServerShared
    private let onListening: @Sendable ([BoundAddress]) -> Void
    private let state = Mutex(ServerState.new)
    let stopper = Stopper()
    /// A stopper that ends ``Drain/delay`` early.
    let skipDrainDelay = Stopper()

    /// Creates a server that doesn't listen yet. Nothing of the process changes before ``run()``.
    ///
    /// - Parameters:
    ///   - broker: Connects the topics of several servers. By default the topics are the server's
    ///     own.
    ///   - logger: Its handler must not block, since event loops log, too.
    ///   - onListening: Called once, with the addresses that the server listens on.
    /// - Throws: ``ConfigurationErrors`` with all invalid settings, those of routes included;
    ///   ``RouteErrors`` with all invalid or repeated routes.
    public init(
        configuration: ServerConfiguration, router: Router, broker: any Broker = MemoryBroker(),
        logger: Logger = Logger(label: "apus"),
        onListening: @escaping @Sendable ([BoundAddress]) -> Void = { _ in }
    ) throws {
        try router.validate()
        try configuration.validate(with: router)
        shared = ServerShared(
            configuration: configuration, router: router, broker: broker, logger: logger)
        self.onListening = onListening
    }

    /// Creates a server without listeners, whose clock stands still until a test moves it.
    init(
        manualWith configuration: ServerConfiguration, router: Router, broker: any Broker,
        logger: Logger, onStart: @escaping @Sendable () -> Void
    ) throws {
        try router.validate()
        try configuration.validate(with: router)
        var configuration = configuration
        configuration.addresses = []
        configuration.loops = 1
        configuration.handlesSignals = false
        shared = ServerShared(
            configuration: configuration, router: router, broker: broker, logger: logger,
            isClockManual: true)
        onListening = { _ in onStart() }
    }

    /// Listens and serves until graceful shutdown, ``stop()``, or cancellation.
    ///
    /// Returns when the connections are drained and the tasks of `async` handlers have ended. A
    /// task is cancelled when its connection ends. Tasks that still run at ``Drain/deadline``, and
    /// a second later, are left, with a warning.
    ///
    /// - Throws: ``ServerError``. If an address can't be listened on, ``run()`` may be called
    ///   again. Otherwise, a server runs once.
    public func run() async throws {
        let server = try start()
        defer { state.withLock { $0 = .over } }
        // The settings may have been replaced while the loops were made.
        await server.takeSettings()
        if shared.configuration.handlesSignals { await watchSignals(server) }
        logStart(server)
        onListening(server.addresses)
        await withTaskCancellationOrGracefulShutdownHandler {
            await stopper.wait()
        } onCancelOrGracefulShutdown: { [stopper] in
            stopper.stop()
        }
        shared.flags.isStopping.store(true, ordering: .relaxed)
        if !Task.isCancelled { await delayDrain() }
        if Task.isCancelled {
            await server.cut()
        } else {
            await drain(server)
        }
        await server.reportTasks()
        await shared.broker.stop()
        server.stopLoops()
        shared.logger.info("stopped")
    }

    private func start() throws(ServerError) -> RunningServer {
        let isNew = state.withLock { state in
            guard case .new = state else { return false }
            state = .starting
            return true
        }
        guard isNew else { throw .alreadyStarted }
        do throws(TransportError) {
            let server = try RunningServer(shared: shared)
            state.withLock { $0 = .running(server) }
            return server
        } catch {
            state.withLock { $0 = .new }
            throw ServerError(
                code: error.isAddressInUse ? .addressInUse : .cannotListen,
                description: "\(error)", underlying: error)
        }
    }

    var running: RunningServer? {
        state.withLock { if case .running(let server) = $0 { server } else { nil } }
    }

    /// Continues to serve for a while, so that load balancers notice the stop before connections
    /// are refused. A second signal or cancellation ends the delay early.
    private func delayDrain() async {
        let delay = shared.configuration.drain.delay
        guard delay > .zero else { return }
        shared.logger.info("not ready any more", metadata: ["delay": "\(delay)"])
        let timer = Task { [skipDrainDelay] in
            try? await Task.sleep(for: delay)
            skipDrainDelay.stop()
        }
        await withTaskCancellationHandler {
            await skipDrainDelay.wait()
        } onCancel: { [skipDrainDelay] in
            skipDrainDelay.stop()
        }
        timer.cancel()
    }

    private func drain(_ server: RunningServer) async {
        let drain = shared.configuration.drain
        let open = shared.admission.current.total
        shared.logger.info(
            "draining connections",
            metadata: [
                "connections": "\(open)", "spread": "\(drain.spread)",
                "deadline": "\(drain.deadline)",
            ])
        // If the task is cancelled meanwhile, the remaining connections are ended at once.
        await withTaskCancellationHandler {
            await server.drain(drain)
        } onCancel: {
            Task { await server.cut() }
        }
    }

    private func watchSignals(_ server: RunningServer) async {
        let isFirst = Mutex(true)
        await server.watchSignals { [self] in
            let first = isFirst.withLock { isFirst in
                defer { isFirst = false }
                return isFirst
            }
            if first {
                stopper.stop()
            } else {
                shared.logger.info("second signal: stopping at once")
                Task { [skipDrainDelay] in
                    await server.cut()
                    skipDrainDelay.stop()
                }
            }
        }
    }

    private func logStart(_ server: RunningServer) {
        let limits = shared.configuration.limits
        shared.logger.info(
            "listening",
            metadata: [
                "addresses": "\(server.addresses.map(\.description).joined(separator: " "))",
                "loops": "\(shared.configuration.loopCount)",
            ])
        shared.logger.debug(
            "limits",
            metadata: [
                "connections.max": "\(shared.admission.max)",
                "connections.per_address":
                    "\(limits.connectionsPerAddressMax.map { "\($0)" } ?? "off")",
                "message.max": "\(limits.messageSizeMax.bytes)",
                "frame.max": "\((limits.frameSizeMax ?? limits.messageSizeMax).bytes)",
                "fragments.max": "\(limits.fragmentsMax.map { "\($0)" } ?? "by size")",
                "assembly.max": "\(limits.assemblySizeMax.bytes)",
                "memory.max": "\(limits.memoryMax.bytes)",
                "outbox.max": "\(limits.outboxMax.bytes)",
                "handshake.timeout": "\(limits.handshakeTimeout)",
                "idle.timeout": "\(limits.idleTimeout.map { "\($0)" } ?? "off")",
                "heartbeat": "\(shared.configuration.heartbeat.interval.map { "\($0)" } ?? "off")",
            ])
        let proxies = shared.configuration.proxies
        if proxies.proxyProtocol == .required, proxies.trusted.isEmpty {
            shared.logger.warning(
                "PROXY protocol required, and whoever connects is believed: no proxies are trusted")
        }
    }

    /// Begins a graceful stop; ``run()`` returns when it is done. Any thread; may be called again.
    public func stop() { stopper.stop() }

    /// Replaces the certificates for new connections, to renew them for example. Open connections
    /// keep theirs. Has an effect only if the server speaks TLS.
    public func replaceTLS(with context: TLSContext) async {
        shared.replaceSettings { configuration, router in
            var changed = configuration
            if changed.tls != nil { changed.tls = context }
            return (changed, router)
        }
        await running?.takeSettings()
    }

    /// Publishes a message to all subscribers of its topic; any thread. Returns once the broker has
    /// accepted it; a ``MemoryBroker`` does so at once. Throws if the broker refuses it, or if the
    /// loops still have to deliver more than ``TopicConfiguration/backlogMax``.
    ///
    /// It may be called before ``run()``. Then a ``MemoryBroker`` accepts the message, though there
    /// are no subscribers yet. Other brokers wait a while for the start. After ``run()`` has
    /// returned, every message is refused.
    public func publish(_ publication: Publication) async throws(BrokerError) {
        try await shared.publisher.publish(publication)
    }

    /// Returns the topics that this server's connections subscribe to, with the numbers of their
    /// subscribers, in no particular order.
    public func topics() async -> [TopicStatistics] {
        guard let server = running else { return [] }
        return await server.topics()
    }

    /// Returns the counters of all loops; zeros while the server doesn't run.
    public func counters() async -> Counters {
        guard let server = running else { return Counters() }
        return await server.counters()
    }

    /// The resources that were left open when the server stopped; `nil` before.
    package var ledger: Ledger? { shared.ledger }

    /// Whether load balancers should send clients elsewhere, which health checks should report. True
    /// once a stop has begun, also during ``Drain/delay``, while all requests are still served; and
    /// between ``drain()`` and ``undrain()``.
    public var isDraining: Bool { shared.flags.isDraining }

    /// Whether the server runs, and so listens unless it is stopping.
    public var isRunning: Bool { running != nil }

    /// Whether the server refuses new connections because it is overloaded: see
    /// ``OverloadConfiguration``. Health checks of load balancers should report it.
    public var isOverloaded: Bool { shared.overload.isOverloaded }

    /// The loops while the server runs, for tests.
    var runningLoops: [ServerLoop] { running?.loops ?? [] }

    /// Sets whether upgrades are refused.
    func setDrained(_ isDrained: Bool) {
        let wasDrained = shared.flags.isDrained.exchange(isDrained, ordering: .relaxed)
        guard isDrained != wasDrained else { return }
        shared.logger.notice(
            isDrained ? "drained: upgrades are refused" : "in service again: upgrades are accepted")
    }

    /// The number of open connections, including those that aren't WebSockets (yet).
    public var connectionCount: Int { shared.admission.current.total }
}

/// The state of a ``Server``; not nested in it, which Swift 6.3 miscompiles.
enum ServerState {
    case new
    /// The addresses are being bound.
    case starting
    case running(RunningServer)
    case over
}
