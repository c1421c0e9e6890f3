public import Logging
public import ServiceLifecycle
import Synchronization
import UVTransport

/// A WebSocket server: listens where its configuration says and runs what its router says.
///
/// Run it alone or as a service of a `ServiceGroup`. On graceful shutdown it stops listening and
/// lets its connections go as ``ServerConfiguration/drain`` says; on cancellation it cuts them.
public final class Server: Service, Sendable {
    private let shared: ServerShared
    private let onListening: @Sendable ([BoundAddress]) -> Void
    private let running = Mutex<RunningServer?>(nil)
    private let stopper = Stopper()
    /// Ends ``Drain/delay`` early.
    private let hurry = Stopper()

    /// A server that doesn't listen yet. `onListening` hears once where it does. Without a broker
    /// its topics are its own. Event loops log, too: the logger's handler must not block.
    public init(
        configuration: ServerConfiguration, router: Router, broker: any Broker = MemoryBroker(),
        logger: Logger = Logger(label: "apus"),
        onListening: @escaping @Sendable ([BoundAddress]) -> Void = { _ in }
    ) {
        shared = ServerShared(
            configuration: configuration, router: router, broker: broker, logger: logger)
        self.onListening = onListening
    }

    /// Listens and serves until graceful shutdown, ``stop()``, or cancellation.
    ///
    /// Throws when an address can't be listened on.
    public func run() async throws {
        let server: RunningServer
        do {
            server = try RunningServer(shared: shared)
        } catch {
            throw ServerError(
                code: error.isAddressInUse ? .addressInUse : .cannotListen, underlying: error)
        }
        running.withLock { $0 = server }
        defer { running.withLock { $0 = nil } }
        if shared.configuration.handlesSignals { await watchSignals(server) }
        logStart(server)
        onListening(server.addresses)
        await withTaskCancellationOrGracefulShutdownHandler {
            await stopper.wait()
        } onCancelOrGracefulShutdown: { [stopper] in
            stopper.stop()
        }
        shared.isDraining.store(true, ordering: .relaxed)
        if !Task.isCancelled { await delayDrain() }
        if Task.isCancelled {
            await server.cut()
        } else {
            await drain(server)
        }
        await shared.broker.stop()
        server.stopLoops()
        shared.logger.info("stopped")
    }

    /// Serves on for a while, so that load balancers notice before anyone is refused. Ends early by
    /// a second signal or cancellation.
    private func delayDrain() async {
        let delay = shared.configuration.drain.delay
        guard delay > .zero else { return }
        shared.logger.info("not ready any more", metadata: ["delay": "\(delay)"])
        let timer = Task { [hurry] in
            try? await Task.sleep(for: delay)
            hurry.stop()
        }
        await withTaskCancellationHandler {
            await hurry.wait()
        } onCancel: { [hurry] in
            hurry.stop()
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
        // Cancelled while it drains: cut what is left.
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
                Task { [hurry] in
                    await server.cut()
                    hurry.stop()
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
                "loops": "\(shared.configuration.loops)",
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

    /// Begins a graceful stop; ``run()`` returns when it is done. Any thread, any number of times.
    public func stop() { stopper.stop() }

    /// Publishes a message to all subscribers of its topic; any thread. Returns once the broker has
    /// taken it, which for the one in memory is at once; throws when it hasn't, and when more than
    /// ``TopicOptions/backlogMax`` has been published that the loops have yet to deliver.
    public func publish(_ publication: Publication) async throws(BrokerError) {
        guard shared.deliveryBudget.hasRoom else { throw .overloaded }
        try await shared.broker.publish(publication)
    }

    /// The topics that this server's connections subscribe to, and by how many, in no order.
    public func topics() async -> [TopicStatistics] {
        guard let server = running.withLock({ $0 }) else { return [] }
        return await server.topics()
    }

    /// What has been counted so far, over all loops; zeros while the server doesn't run.
    public func counters() async -> Counters {
        guard let server = running.withLock({ $0 }) else { return Counters() }
        return await server.counters()
    }

    /// What was left open when the server stopped; `nil` before.
    package var ledger: Ledger? { shared.ledger }

    /// Whether a stop has begun: true from then on, also while ``Drain/delay`` lasts and everyone
    /// is still served. What load balancers ask should say so.
    public var isDraining: Bool { shared.isDraining.load(ordering: .relaxed) }

    /// The contexts of its loops while it runs, for tests.
    var runningContexts: [LoopContext] { running.withLock { $0 }?.contexts ?? [] }

    /// Open connections, those that are not WebSockets (yet) included.
    public var connectionCount: Int { shared.admission.current.total }
}

/// Where a server listens.
public enum BoundAddress: Sendable, Hashable, CustomStringConvertible {
    case ip(host: String, port: Int)
    case unix(path: String)

    /// The port, `nil` for a Unix-domain socket.
    public var port: Int? {
        if case .ip(_, let port) = self { port } else { nil }
    }

    /// The authority of a URL: `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/apus.sock`.
    public var description: String {
        switch self {
        case .ip(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// Why a server could not run.
public struct ServerError: Error, Sendable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        private let name: String
        /// Another process listens there.
        public static let addressInUse = Code(name: "addressInUse")
        /// The address isn't ours, isn't permitted, or isn't known.
        public static let cannotListen = Code(name: "cannotListen")
    }

    public let code: Code
    public let underlying: any Error

    public var description: String { "\(underlying)" }
}

/// A latch that many may pull and one waits for.
final class Stopper: Sendable {
    private let state = Mutex(StopperState())

    func stop() {
        let waiter = state.withLock { state in
            state.isStopped = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isStopped = state.withLock { state in
                if !state.isStopped { state.waiter = continuation }
                return state.isStopped
            }
            if isStopped { continuation.resume() }
        }
    }
}

/// What a ``Stopper`` guards; not nested in it, which Swift 6.3 miscompiles.
struct StopperState {
    var isStopped = false
    var waiter: CheckedContinuation<Void, Never>?
}
