import Glibc
import HTTPProtocol
import Logging
import Synchronization
import UVTransport
import WebSocketProtocol

/// A server that listens: its loops, sockets and connections, until it is stopped.
final class RunningServer: Sendable {
    let shared: ServerShared
    let group: EventLoopGroup
    let contexts: [LoopContext]
    /// The addresses bound, port 0 replaced by the port picked.
    let addresses: [BoundAddress]
    private let sockets: [[ListeningSocket]]
    private let filesAreRemoved = Atomic<Bool>(false)

    /// Binds every address, then starts accepting on every loop.
    init(shared: ServerShared) throws(TransportError) {
        self.shared = shared
        var bound: [(BoundAddress, [ListeningSocket])] = []
        do throws(TransportError) {
            for address in shared.configuration.addresses {
                bound += try Self.bind(address, shared.configuration)
            }
            group = try EventLoopGroup(count: shared.configuration.loops)
        } catch {
            for socket in bound.flatMap(\.1) {
                socket.removeFile()
                socket.close()
            }
            throw error
        }
        Self.fitConnections(of: shared)
        sockets = bound.map(\.1)
        addresses = bound.map(\.0)
        contexts = group.loops.map {
            LoopContext(
                loop: $0, logger: shared.logger, warnings: shared.warnings, memory: shared.memory,
                assemblies: shared.budget, contexts: shared.contextBudget,
                admission: shared.admission)
        }
        for context in contexts { context.siblings = contexts }
        let hub = Hub(
            loops: group.loops, budget: shared.deliveryBudget,
            deliver: { [contexts] in contexts[$0].topics?.deliver() },
            deliverRest: { [contexts] in contexts[$0].topics?.deliverRest() })
        for (index, context) in contexts.enumerated() {
            context.codecs.publicationWindowBits =
                shared.configuration.compression.serverWindowBits
            context.topics = LoopTopics(
                number: index, hub: hub, broker: shared.broker,
                options: shared.configuration.topics, budget: shared.backlogBudget,
                compression: shared.configuration.compression, codecs: context.codecs)
        }
        watchRefusals()
        watchTurns()
        shared.broker.start { [self] event in
            switch event {
            case .publication(let publication):
                if !hub.publish(publication) { deliveryOverloaded() }
            case .gap(let reason): brokerGap(reason)
            case .restored: brokerRestored()
            }
        }
        for (index, context) in contexts.enumerated() {
            // A Unix-domain socket has no SO_REUSEPORT: one loop accepts and hands over in turn.
            for group in sockets where index < group.count {
                context.loop.execute { [self] in
                    listen(on: group[index], context, isShared: group.count < contexts.count)
                }
            }
        }
    }

    /// Lowers the limit of connections to the descriptors that are there for them, now that the
    /// loops and sockets have theirs.
    private static func fitConnections(of shared: ServerShared) {
        let wanted = shared.configuration.limits.connectionsMax
        let max = shared.admission.fit(descriptors: shared.descriptors.leftForConnections)
        guard max < wanted, wanted != Limits.connectionsFromDescriptors() else { return }
        shared.logger.warning(
            "connections.max is more than there are file descriptors for, and is lowered",
            metadata: [
                "connections.max": "\(wanted)", "lowered_to": "\(max)",
                "descriptors": "\(shared.descriptors.limit)",
                "reserved": "\(shared.descriptors.reserved)",
            ])
    }

    private static func bind(
        _ address: ListenAddress, _ configuration: ServerConfiguration
    ) throws(TransportError) -> [(BoundAddress, [ListeningSocket])] {
        switch address {
        case .hostname(let host, let port):
            try ListeningSocket.listen(
                host: host, port: port, count: configuration.loops, backlog: configuration.backlog
            ).map { (.ip(host: $0[0].address.host, port: Int($0[0].address.port)), $0) }
        case .unix(let path):
            [
                (
                    .unix(path: path),
                    [try ListeningSocket.listen(unix: path, backlog: configuration.backlog)]
                )
            ]
        }
    }

    private func listen(on socket: ListeningSocket, _ context: LoopContext, isShared: Bool) {
        var turn = 0
        do {
            let listener = try Listener(loop: context.loop, socket: socket) {
                [self] descriptor, peer in
                let target = isShared ? contexts[turn % contexts.count] : context
                turn += 1
                if target === context {
                    shared.accept(descriptor, from: peer, on: context)
                } else {
                    target.loop.execute { [self] in
                        shared.accept(descriptor, from: peer, on: target)
                    }
                }
            } onError: { [self] error in
                context.counters.acceptErrors += 1
                shared.warnings.unaccepted.log(["error": "\(error)"], kind: error.code)
            }
            context.listeners.append(listener)
        } catch {
            shared.logger.critical("cannot listen", metadata: ["error": "\(error)"])
        }
    }

    /// Measures the loops' turns, where that is wanted.
    private func watchTurns() {
        guard let limit = shared.configuration.slowTurn else { return }
        let nanosecondsMax = UInt64(limit / .nanoseconds(1))
        for (index, context) in contexts.enumerated() {
            context.loop.execute { [shared] in
                context.loop.watchTurns { nanoseconds in
                    context.longestTurn = max(context.longestTurn, nanoseconds)
                    guard nanoseconds > nanosecondsMax else { return }
                    shared.warnings.slowTurn.log(
                        Self.describe(nanoseconds, loop: index), kind: Int32(index))
                }
            }
        }
    }

    /// Logs the longest turn of all loops, where they were measured; after they have stopped.
    private func logLongestTurn() {
        guard shared.configuration.slowTurn != nil,
            let longest = contexts.enumerated().max(by: {
                $0.element.longestTurn < $1.element.longestTurn
            })
        else { return }
        shared.logger.info(
            "longest event loop turn",
            metadata: Self.describe(longest.element.longestTurn, loop: longest.offset))
    }

    private static func describe(_ nanoseconds: UInt64, loop: Int) -> Logger.Metadata {
        let tenths = (nanoseconds + 50_000) / 100_000
        return ["cpu_ms": "\(tenths / 10).\(tenths % 10)", "loop": "\(loop)"]
    }

    // MARK: - Stopping

    /// Calls back on SIGTERM and SIGINT until the server is stopped.
    /// Returns once they are watched: whoever is told that the server listens may send one.
    func watchSignals(_ onSignal: @escaping @Sendable () -> Void) async {
        await onEachLoop { [self] context, done in
            if context === contexts[0] { watch([SIGTERM, SIGINT], on: context, onSignal) }
            done()
        }
    }

    private func watch(
        _ signals: [Int32], on context: LoopContext, _ onSignal: @escaping @Sendable () -> Void
    ) {
        for number in signals {
            do {
                let source = try SignalSource(loop: context.loop, signal: number) { _ in
                    onSignal()
                }
                context.signals.append(source)
            } catch {
                shared.logger.warning("cannot watch signals", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Stops accepting, on all loops when it returns; the sockets' files go too.
    ///
    /// The files go first, and only once: when the sockets are closed, a successor may listen there.
    func closeListeners() async {
        if !filesAreRemoved.exchange(true, ordering: .relaxed) {
            for socket in sockets.joined() { socket.removeFile() }
        }
        // On each loop, after what starts to listen there: a stop may come that soon.
        await onEachLoop { context, done in
            for listener in context.listeners { listener.close() }
            context.listeners = []
            done()
        }
    }

    /// Lets all connections go as configured; returns when none is left.
    func drain(_ drain: Drain) async {
        await closeListeners()
        await onEachLoop { context, done in
            context.isDraining = true
            context.drain = ConnectionDrain(context: context, drain: drain)
            context.whenEmpty {
                if let drain = context.drain { context.loop.cancel(drain) }
                context.drain = nil
                done()
            }
        }
    }

    /// Cuts all connections now.
    func cut() async {
        await closeListeners()
        await onEachLoop { context, done in
            context.isDraining = true
            for connection in context.snapshot() { connection.terminate() }
            context.whenEmpty(done)
        }
    }

    /// Stops the loops, which must be empty, and reports what they leaked: nothing.
    func stopLoops() {
        contexts[0].loop.execute { [self] in
            for source in contexts[0].signals {
                // Closing gives the signal its deadly default back.
                source.close()
                _ = signal(source.number, SIG_IGN)
            }
            contexts[0].signals = []
        }
        let ledger = Ledger(
            handles: group.shutdown(),
            buffers: contexts.reduce(0) { $0 + $1.assemblies.outstanding },
            assemblyBytes: shared.budget.bytesUsed, memoryBytes: shared.memory.bytesUsed,
            contextBytes: shared.contextBudget.bytesUsed,
            topics: contexts.reduce(contexts[0].topics?.hub.topicCount ?? 0) {
                $0 + ($1.topics?.leftovers ?? 0)
            },
            backlogBytes: shared.backlogBudget.bytesUsed + shared.deliveryBudget.bytesUsed,
            connections: shared.admission.current.total,
            notes: contexts.reduce(0) { $0 + $1.noteCount })
        shared.setLedger(ledger)
        logLongestTurn()
        if !ledger.isZero {
            shared.logger.error("something was left open", metadata: ["ledger": "\(ledger)"])
        }
    }

    /// Runs a step on every loop and waits until each has called back.
    func onEachLoop(
        _ step: @escaping @Sendable (LoopContext, _ done: @escaping () -> Void) -> Void
    ) async {
        await withTaskGroup(of: Void.self) { tasks in
            for context in contexts {
                tasks.addTask {
                    await withCheckedContinuation { continuation in
                        let runs = context.loop.execute {
                            step(context) { continuation.resume() }
                        }
                        if !runs { continuation.resume() }
                    }
                }
            }
        }
    }

    /// Asked for loop by loop, like counters.
    func topics() async -> [TopicStatistics] {
        var sums: [ExactString: Int] = [:]
        for context in contexts {
            let topics = await withCheckedContinuation { continuation in
                let runs = context.loop.execute {
                    continuation.resume(returning: context.topics?.topics ?? [])
                }
                if !runs { continuation.resume(returning: []) }
            }
            for topic in topics { sums[ExactString(topic.name), default: 0] += topic.subscribers }
        }
        return sums.map { TopicStatistics(name: $0.key.string, subscribers: $0.value) }
    }

    /// Asked for loop by loop, each answering for itself: no lock that loops contend for.
    func counters() async -> Counters {
        var sum = Counters()
        for context in contexts {
            let counted = await withCheckedContinuation { continuation in
                let runs = context.loop.execute { continuation.resume(returning: context.total) }
                if !runs { continuation.resume(returning: Counters()) }
            }
            sum.add(counted)
        }
        return sum
    }
}
