import Glibc
import Logging
import UVTransport
import WebSocketProtocol

/// One loop of a server: its listeners, and the end of its connections. For that loop's thread,
/// unless marked otherwise.
final class ServerLoop: @unchecked Sendable {
    // Safety: confined to the loop's thread once the loop has begun to listen.

    /// The position among the server's loops.
    let number: Int
    let resources: LoopResources
    let shared: ServerShared
    let http: HTTPService
    private let descriptors: Descriptors
    private var listeners: [(group: Int, listener: Listener)] = []
    private var signals: [SignalSource] = []
    /// The drain of the connections. It is kept here, because the timer wheel keeps nothing alive.
    private var drain: ConnectionDrain?
    /// The nanoseconds of processor time that the longest turn has taken, if turns are measured.
    /// Must be read only after the loop has stopped.
    private(set) var longestTurn: UInt64 = 0
    /// The nanoseconds beyond which a turn is logged.
    private var slowTurnNanoseconds: UInt64 = 0

    init(number: Int, loop: EventLoop, shared: ServerShared, descriptors: Descriptors) {
        self.number = number
        self.shared = shared
        self.descriptors = descriptors
        http = HTTPService(shared.http, loop: loop)
        resources = LoopResources(
            loop: loop, logger: shared.logger, warnings: shared.warnings, budgets: shared.budgets,
            admission: shared.admission, routeCount: http.settings.routes.numbers.count)
        let configuration = http.settings.configuration
        resources.access = configuration.accessLog.map { AccessLog($0, loop: loop) }
        resources.handshakes = Self.makeHandshakes(configuration, warnings: shared.warnings)
        resources.handshakes?.onSuccess = { [unowned resources] in
            resources.tlsHandshakes.record(nanoseconds: $0)
        }
        resources.codecs.publicationWindowBits = configuration.compression.serverWindowBits
    }

    /// The loop itself; any thread.
    var loop: EventLoop { resources.loop }

    /// Makes the loop's part of the topics; before it listens.
    func makeTopics(hub: Hub) {
        let configuration = http.settings.configuration
        resources.topics = LoopTopics(
            number: number, hub: hub, broker: shared.broker,
            options: configuration.topics, budget: shared.backlogBudget,
            compression: configuration.compression, codecs: resources.codecs)
    }

    // MARK: - Accepting

    /// Starts to accept on a socket.
    ///
    /// - Parameters:
    ///   - group: The position of the socket's address among those of the server.
    ///   - loops: The loops that accepted connections go to, in turn.
    func listen(on socket: ListeningSocket, group: Int, for loops: [ServerLoop]) {
        var turn = 0
        let names = HostCheck(shared.configuration, listener: socket.address)
        do {
            let listener = try Listener(loop: loop, socket: socket) { [self] descriptor, peer in
                let target = loops[turn % loops.count]
                turn += 1
                if target === self {
                    accept(.socket(descriptor), from: peer, names: names)
                } else {
                    target.loop.execute {
                        target.accept(.socket(descriptor), from: peer, names: names)
                    }
                }
            } onError: { [self] error in
                resources.counters.acceptErrors += 1
                shared.warnings.unaccepted.log(["error": "\(error)"], kind: error.code)
            }
            listeners.append((group, listener))
        } catch {
            shared.logger.critical("cannot listen", metadata: ["error": "\(error)"])
        }
    }

    /// Starts to measure the load.
    ///
    /// - Parameter process: The gauges of the process, on one loop only.
    func watchLoad(process: ProcessLoad?) {
        let load = LoopLoad(
            number: number, loop: loop, options: shared.configuration.overload,
            overload: shared.overload, process: process, logger: shared.logger)
        resources.load = load
        load.start()
    }

    func closeListeners() {
        for (_, listener) in listeners { listener.close() }
        listeners = []
    }

    /// Returns second descriptors of the listening sockets, which the caller owns, each with the
    /// position of its address.
    func duplicateListeners() throws(TransportError) -> [(group: Int, descriptor: Int32)] {
        var copies: [(Int, Int32)] = []
        do throws(TransportError) {
            for (group, listener) in listeners { copies.append((group, try listener.duplicate())) }
        } catch {
            for (_, descriptor) in copies { close(descriptor) }
            throw error
        }
        return copies
    }

    /// Makes a connection of an accepted socket or transport.
    ///
    /// - Parameter names: The check of the names in its requests; `nil` accepts any.
    func accept(_ accepted: AcceptedStream, from peer: SocketAddress, names: HostCheck? = nil) {
        let settings = http.settings
        let proxies = settings.proxies
        let expectsHeader = proxies.proxyProtocol == .required
        if expectsHeader, !proxies.maySendProxyHeader(peer) {
            shared.warnings.untrustedProxy.log(["peer": "\(peer)"])
            return accepted.close()
        }
        let load = resources.load?.level ?? .normal
        if load == .extreme {
            resources.counters.refusedByOverload += 1
            shared.warnings.overloaded.log(["peer": "\(peer)"])
            return accepted.close()
        }
        guard let entry = makeRoom(for: accepted, from: peer) else { return accepted.close() }
        let exchange = http.makeExchange()
        exchange.names = names
        exchange.isRefusable = load > .normal
        if proxies.trusts(peer) { exchange.proxy = peer }
        let connection = ConnectionCore(
            resources: resources, peer: peer, role: .server, options: settings.sessionOptions,
            opening: expectsHeader ? ProxyPreamble(for: exchange) : exchange)
        connection.waitInPlace(entry: entry)
        resources.counters.accepted += 1
        do throws(TransportError) {
            try accepted.become(
                connection, tls: settings.configuration.tls, awaitsPreamble: expectsHeader)
            exchange.begin(on: connection)
            if resources.registry.isDraining { connection.terminate() }
        } catch {
            shared.warnings.unopened.log(["error": "\(error)"], kind: error.code)
            connection.terminate()
        }
    }

    /// Makes room for an accepted connection and counts it. Another connection may have to be
    /// evicted. Returns `nil` if the new one is refused.
    private func makeRoom(
        for accepted: AcceptedStream, from peer: SocketAddress
    ) -> Admission.Entry? {
        // The kernel gives out the lowest number that is free.
        let isShort = Int(accepted.descriptor) >= descriptors.end
        let entry = shared.admission.enter(peer, isShort: isShort)
        if let evicted = entry.evicted {
            evicted.evict()
            shared.warnings.evicted.log()
        }
        guard entry.verdict == .noRoom else { return entry }
        resources.counters.refusedAtAccept += 1
        if isShort {
            shared.warnings.short.log(["limit": "\(descriptors.limit)"])
        } else {
            shared.warnings.unplaced.log(["peer": "\(peer)"])
        }
        return nil
    }

    // MARK: - Stopping

    /// Calls back when one of the signals comes, until ``ignoreSignals()``.
    func watch(_ numbers: [Int32], _ onSignal: @escaping @Sendable () -> Void) {
        for number in numbers {
            do {
                signals.append(
                    try SignalSource(loop: loop, signal: number) { _ in onSignal() })
            } catch {
                shared.logger.warning("cannot watch signals", metadata: ["error": "\(error)"])
            }
        }
    }

    func ignoreSignals() {
        for source in signals {
            // Closing gives the signal its deadly default back.
            source.close()
            _ = signal(source.number, SIG_IGN)
        }
        signals = []
    }

    /// Drains all connections as configured. Calls back when none is left and the handlers' tasks
    /// have ended, or the time to wait for these tasks is over.
    ///
    /// - Parameter admitsUpgrades: Whether clients that have just connected become WebSockets, so
    ///   that they receive a close code. Otherwise, they are refused.
    func drain(_ drain: Drain, admitsUpgrades: Bool, done: @escaping () -> Void) {
        resources.registry.isDraining = true
        resources.registry.refusesUpgrades = !admitsUpgrades
        let drain = ConnectionDrain(loop: loop, registry: resources.registry, drain: drain)
        self.drain = drain
        resources.registry.whenEmpty { [self] in
            loop.cancel(drain)
            self.drain = nil
            resources.tasks.wait(until: drain.deadline, then: done)
        }
    }

    /// Ends all connections now, which cancels the handlers' tasks; calls back as ``drain(_:done:)``
    /// does.
    func cut(done: @escaping () -> Void) {
        resources.registry.isDraining = true
        resources.registry.refusesUpgrades = true
        for connection in resources.registry.snapshot() { connection.terminate() }
        resources.registry.whenEmpty { [self] in resources.tasks.wait(until: loop.now, then: done) }
    }

    // MARK: - Turns

    /// Measures the duration of the turns from now on, if the configuration asks for it.
    func measureTurns() {
        guard http.settings.configuration.measuresTurns else { return }
        loop.measureTurns { [resources] milliseconds in
            resources.turns.record(nanoseconds: milliseconds * 1_000_000)
        }
    }

    /// Measures the turns and logs slow ones, if the configuration asks for it.
    func watchTurns() {
        guard let limit = http.settings.configuration.slowTurn else {
            return loop.stopWatchingTurns()
        }
        slowTurnNanoseconds = UInt64(limit / .nanoseconds(1))
        loop.watchTurns { [self] nanoseconds in
            longestTurn = max(longestTurn, nanoseconds)
            guard nanoseconds > slowTurnNanoseconds else { return }
            shared.warnings.slowTurn.log(describe(nanoseconds), kind: Int32(number))
        }
    }

    /// Returns the duration of a turn, for the log.
    func describe(_ nanoseconds: UInt64) -> Logger.Metadata {
        let tenths = (nanoseconds + 50_000) / 100_000
        return ["cpu_ms": "\(tenths / 10).\(tenths % 10)", "loop": "\(number)"]
    }
}

/// A connection that was accepted: a socket, or a transport in memory.
enum AcceptedStream {
    case socket(_ ownedDescriptor: Int32)
    case transport(StreamTransport)

    /// The socket's descriptor; -1 for a transport.
    var descriptor: Int32 {
        if case .socket(let descriptor) = self { descriptor } else { -1 }
    }

    func close() {
        switch self {
        case .socket(let descriptor): Glibc.close(descriptor)
        case .transport(let transport): transport.close(reset: false)
        }
    }

    /// - Parameter awaitsPreamble: Whether other bytes come before those of TLS.
    func become(
        _ connection: ConnectionCore, tls: TLSContext?, awaitsPreamble: Bool
    ) throws(TransportError) {
        switch self {
        case .socket(let descriptor):
            guard let tls, let handshakes = connection.resources.handshakes else {
                return try connection.adopt(ownedDescriptor: descriptor)
            }
            try connection.adopt(
                ownedDescriptor: descriptor, accepting: tls.context, handshakes: handshakes,
                awaitsPreamble: awaitsPreamble)
        case .transport(let transport): connection.adopt(transport)
        }
    }
}
