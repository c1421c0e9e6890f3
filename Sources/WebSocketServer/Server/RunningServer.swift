import PubSub
import Glibc
import Logging
import Synchronization
import UVTransport

/// A server that listens: its loops, sockets and connections, until it is stopped.
final class RunningServer: Sendable {
    let shared: ServerShared
    let group: EventLoopGroup
    let loops: [ServerLoop]
    /// The bound addresses, with the chosen port in place of port 0.
    let addresses: [BoundAddress]
    private let bound: [BoundSockets]
    /// The last answer of each loop to ``statistics()``.
    let readings: Mutex<[LoopReading]>
    private let filesAreRemoved = Atomic<Bool>(false)
    /// Whether another process has the listening sockets, too, and accepts connections on them.
    private let isHandedOver = Atomic<Bool>(false)

    /// Binds every address, then starts accepting on every loop.
    init(shared: ServerShared) throws(TransportError) {
        self.shared = shared
        var bound: [BoundSockets] = []
        do throws(TransportError) {
            for address in shared.configuration.addresses {
                try BoundSockets.bind(address, shared.configuration, into: &bound)
            }
            group = try EventLoopGroup(
                count: shared.configuration.loopCount, isManual: shared.isClockManual)
        } catch {
            for sockets in bound { sockets.giveUp() }
            throw error
        }
        let descriptors = Descriptors()
        Self.fitConnections(of: shared, to: descriptors)
        self.bound = bound
        addresses = bound.map(\.address)
        loops = group.loops.enumerated().map {
            ServerLoop(
                number: $0.offset, loop: $0.element, shared: shared, descriptors: descriptors)
        }
        readings = Mutex(loops.map { $0.resources.reading })
        let resources = loops.map(\.resources)
        for one in resources { one.siblings = resources }
        let hub = Hub(
            loops: group.loops, budget: shared.deliveryBudget,
            deliver: { resources[$0].topics?.deliver() },
            deliverRest: { resources[$0].topics?.deliverRest() })
        for loop in loops { loop.makeTopics(hub: hub) }
        watchRefusals()
        for loop in loops {
            loop.loop.execute {
                loop.measureTurns()
                loop.watchTurns()
            }
        }
        watchLoad(descriptors)
        startBroker(hub)
        for loop in loops {
            for (group, sockets) in bound.enumerated() {
                let targets = sockets.isEven(over: loops.count) ? [loop] : loops
                for socket in sockets.sockets(of: loop.number, among: loops.count) {
                    loop.loop.execute { loop.listen(on: socket, group: group, for: targets) }
                }
            }
        }
    }

    private func startBroker(_ hub: Hub) {
        shared.broker.start { [self] event in
            switch event {
            case .publication(let publication):
                if !hub.publish(publication) {
                    deliveryOverloaded()
                    return .overloaded
                }
            case .offer(let publication):
                if !hub.publish(publication, isOffer: true) { return .overloaded }
            case .gap(let reason): brokerGap(reason)
            case .restored: brokerRestored()
            }
            return nil
        }
    }

    /// Lowers the limit of connections to the descriptors that are left for them, now that the
    /// loops and sockets have theirs.
    private static func fitConnections(
        of shared: ServerShared, to descriptors: Descriptors
    ) {
        _ = shared.admission.fit(descriptors: descriptors.leftForConnections)
        shared.warnOfLoweredConnections([
            "descriptors": "\(descriptors.limit)", "reserved": "\(descriptors.reserved)",
        ])
    }

    /// Measures the load, unless a test moves the clock.
    private func watchLoad(_ descriptors: Descriptors) {
        let options = shared.configuration.overload
        guard options.isEnabled, !shared.isClockManual else { return }
        let memory = options.memoryThresholds(available: availableMemory())
        let descriptorThresholds = options.descriptorThresholds(descriptors)
        let limit = descriptors.limit
        for loop in loops {
            loop.loop.execute {
                loop.watchLoad(
                    process: loop.number > 0
                        ? nil
                        : ProcessLoad(
                            memory: memory, descriptors: descriptorThresholds,
                            descriptorLimit: limit))
            }
        }
    }

    /// Logs the longest turn of all loops, if turns were measured; after the loops have stopped.
    private func logLongestTurn() {
        guard shared.configuration.slowTurn != nil,
            let longest = loops.max(by: { $0.longestTurn < $1.longestTurn })
        else { return }
        shared.logger.info(
            "longest event loop turn", metadata: longest.describe(longest.longestTurn))
    }

    // MARK: - Stopping

    /// Calls back on SIGTERM and SIGINT until the server is stopped. Returns once they are watched:
    /// a signal may follow as soon as the server is known to listen.
    func watchSignals(_ onSignal: @escaping @Sendable () -> Void) async {
        await onEachLoop { loop, done in
            if loop.number == 0 { loop.watch([SIGTERM, SIGINT], onSignal) }
            done()
        }
    }

    /// Stops accepting, on all loops when it returns; the sockets' files go too.
    ///
    /// The files go first, and only once: when the sockets are closed, a successor may listen
    /// there.
    func closeListeners() async {
        if !isHandedOver.load(ordering: .relaxed),
            !filesAreRemoved.exchange(true, ordering: .relaxed)
        {
            for socket in bound.flatMap(\.sockets) { socket.removeFile() }
        }
        // On each loop, after it has started to listen: a stop may come that soon.
        await onEachLoop { loop, done in
            loop.closeListeners()
            done()
        }
    }

    /// Drains all connections as configured. Returns when none is left, and the handlers' tasks
    /// have ended or the deadline has passed.
    func drain(_ drain: Drain) async {
        await closeListeners()
        let isHandedOver = isHandedOver.load(ordering: .relaxed)
        await onEachLoop { $0.drain(drain, admitsUpgrades: isHandedOver, done: $1) }
    }

    // MARK: - A successor

    /// Records that another process has the listening sockets, too: their files stay, and clients
    /// that this process has accepted last are served before they are drained.
    func handOver() { isHandedOver.store(true, ordering: .relaxed) }

    /// Returns second descriptors of all listening sockets, which the caller owns, by the address
    /// in the configuration. There are none once the listeners are closed.
    func duplicateListeners() async throws(TransportError) -> [ListeningDescriptors] {
        let copies = Mutex<[Int: [Int32]]>([:])
        let failure = Mutex<TransportError?>(nil)
        // On the listeners' own loops, which may close them at any time.
        await onEachLoop { loop, done in
            do throws(TransportError) {
                for (group, descriptor) in try loop.duplicateListeners() {
                    copies.withLock { $0[group, default: []].append(descriptor) }
                }
            } catch {
                failure.withLock { $0 = error }
            }
            done()
        }
        let all = copies.withLock { $0 }
        if let error = failure.withLock({ $0 }) {
            for descriptor in all.values.joined() { close(descriptor) }
            throw error
        }
        return all.sorted { $0.key < $1.key }.map {
            ListeningDescriptors(address: bound[$0.key].configured, owned: $0.value)
        }
    }

    /// Ends all connections now. Their handlers' tasks have a moment to end.
    func cut() async {
        await closeListeners()
        await onEachLoop { $0.cut(done: $1) }
    }

    /// Logs the number of handlers' tasks that still run when nobody waits for them any longer.
    func reportTasks() async {
        let running = await ask { $0.tasks.count }.reduce(0, +)
        guard running > 0 else { return }
        shared.logger.warning(
            "stopping while tasks of handlers still run: they were cancelled and haven't ended",
            metadata: ["tasks": "\(running)"])
    }

    /// Stops the loops, which must have no connections any more, and reports leaks.
    func stopLoops() {
        loops[0].loop.execute { [loops] in loops[0].ignoreSignals() }
        for loop in loops { loop.loop.execute { loop.resources.load?.stop() } }
        let handles = group.shutdown()
        let resources = loops.map(\.resources)
        var ledger = Ledger(of: resources, handles: handles, budgets: shared.budgets)
        ledger.topics = resources.reduce(resources[0].topics?.hub.topicCount ?? 0) {
            $0 + ($1.topics?.delivery.leftovers ?? 0)
        }
        ledger.backlogBytes = shared.backlogBudget.bytesUsed + shared.deliveryBudget.bytesUsed
        ledger.connections = shared.admission.current.total
        shared.setLedger(ledger)
        logLongestTurn()
        if !ledger.isZero {
            shared.logger.error("something was left open", metadata: ["ledger": "\(ledger)"])
        }
    }

    // MARK: - Settings

    /// Makes each loop take over the present settings at one of its turns. Returns when all loops
    /// and their open connections have done so.
    func takeSettings() async {
        await onEachLoop { loop, done in loop.takeSettings(done: done) }
    }

    // MARK: - Questions to all loops

    /// Runs a step on every loop and waits until each has called back.
    func onEachLoop(
        _ step: @escaping @Sendable (ServerLoop, _ done: @escaping () -> Void) -> Void
    ) async {
        await withTaskGroup(of: Void.self) { tasks in
            for loop in loops {
                tasks.addTask {
                    await withCheckedContinuation { continuation in
                        let runs = loop.loop.execute { step(loop) { continuation.resume() } }
                        if !runs { continuation.resume() }
                    }
                }
            }
        }
    }

    /// Asks each loop in turn, on its thread: no lock that loops contend for. A loop that has
    /// stopped isn't asked.
    private func ask<Answer: Sendable>(
        _ question: @escaping @Sendable (LoopResources) -> Answer
    ) async -> [Answer] {
        var answers: [Answer] = []
        for loop in loops {
            let answer: Answer? = await withCheckedContinuation { continuation in
                let runs = loop.loop.execute {
                    continuation.resume(returning: question(loop.resources))
                }
                if !runs { continuation.resume(returning: nil) }
            }
            if let answer { answers.append(answer) }
        }
        return answers
    }

    /// Returns the topics of all loops, with the numbers of their subscribers.
    func topics() async -> [TopicStatistics] {
        var sums: [ExactString: Int] = [:]
        for topic in await ask({ $0.topics?.topics ?? [] }).joined() {
            sums[ExactString(topic.name), default: 0] += topic.subscribers
        }
        return sums.map { TopicStatistics(name: $0.key.string, subscribers: $0.value) }
    }

    func counters() async -> Counters {
        await ask { $0.total }.reduce(into: Counters()) { $0.add($1) }
    }
}
