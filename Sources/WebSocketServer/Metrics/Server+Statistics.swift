import PubSub
import Synchronization
import UVTransport

extension Server {
    /// Returns the figures of the server at this moment; any thread. Each event loop is asked, and
    /// answers between two events. The message path isn't slowed down by the counts.
    ///
    /// If a loop doesn't answer within a second, the figures of its last answer are returned for it
    /// (``LoopStatistics/lag``). While the server doesn't run, all counts are 0.
    public func statistics() async -> ServerStatistics {
        await statistics(patience: .seconds(1))
    }

    /// Returns the figures, with a time that each loop has for its answer.
    func statistics(patience: Duration) async -> ServerStatistics {
        let readings = await running?.read(patience) ?? []
        var statistics = ServerStatistics(
            broker: shared.broker.health, isDraining: isDraining, isOverloaded: isOverloaded)
        statistics.routes = shared.http.routes.numbers.routes.map {
            RouteStatistics(method: $0.method, path: $0.path, isWebSocket: $0.isWebSocket)
        }
        for reading in readings { statistics.add(reading) }
        let (open, waiting, _) = shared.admission.current
        statistics.connections.open = open
        statistics.connections.waiting = waiting
        statistics.connections.max = shared.admission.max
        statistics.memory = BudgetStatistics(shared.budgets.memory)
        statistics.assemblies = BudgetStatistics(shared.budgets.assemblies)
        statistics.contexts = BudgetStatistics(shared.budgets.contexts)
        statistics.backlogs = BudgetStatistics(shared.backlogBudget)
        statistics.deliveries = BudgetStatistics(shared.deliveryBudget)
        return statistics
    }
}

extension ServerStatistics {
    /// Adds the figures of a loop.
    fileprivate mutating func add(_ reading: LoopReading) {
        let open = reading.counters.opened - reading.counters.closedTotal
        counters.add(reading.counters)
        connections.webSockets += open
        for (number, counts) in reading.routes.enumerated() {
            let responses = counts.responses.byStatus
            guard number > 0, number <= routes.count else {
                unroutedResponses.merge(responses, uniquingKeysWith: +)
                continue
            }
            routes[number - 1].opened += counts.opened
            routes[number - 1].open += counts.opened - counts.closed
            routes[number - 1].messages.add(reading.messages[number])
            routes[number - 1].responses.merge(responses, uniquingKeysWith: +)
        }
        openingHandshakes.add(reading.openingHandshakes)
        tlsHandshakes.add(reading.tlsHandshakes)
        tlsHandshakesInProgress += reading.tlsInProgress
        topics = max(topics, reading.topics)
        slowConsumers += reading.slowConsumers
        var loop = LoopStatistics()
        loop.webSockets = open
        loop.lag = .nanoseconds(Int64(clamping: reading.lagNanoseconds))
        loop.cpuTime = .nanoseconds(Int64(clamping: reading.cpuNanoseconds))
        loop.turns = reading.turns
        loop.memoryHeld = reading.memoryHeld
        loop.tasks = reading.tasks
        loop.pendingJobs = reading.pendingJobs
        loop.waitingForTurn = reading.waitingForTurn
        loops.append(loop)
    }
}

extension RunningServer {
    /// Returns the figures of all loops. A loop that doesn't answer in time is represented by its
    /// last answer, so that no count goes down.
    fileprivate func read(_ patience: Duration) async -> [LoopReading] {
        let asked = ContinuousClock.now
        let answers = Answers(loops.count)
        for loop in loops {
            let runs = loop.loop.execute { [self] in
                var reading = loop.resources.reading
                if !loop.loop.isManual {
                    reading.lagNanoseconds = asked.duration(to: .now).nanoseconds
                }
                readings.withLock { $0[loop.number] = reading }
                answers.add(loop.number)
            }
            if !runs { answers.add(loop.number) }
        }
        let timer = Task {
            try? await Task.sleep(for: patience)
            answers.stop()
        }
        let missing = await answers.wait()
        timer.cancel()
        var all = readings.withLock { $0 }
        for number in missing {
            all[number].lagNanoseconds = asked.duration(to: .now).nanoseconds
        }
        return all
    }
}

/// The loops whose answers are awaited.
private final class Answers: Sendable {
    private let missing: Mutex<Set<Int>>
    private let isOver = Stopper()

    init(_ count: Int) { missing = Mutex(Set(0..<count)) }

    func add(_ loop: Int) {
        let isLast = missing.withLock { missing in
            missing.remove(loop)
            return missing.isEmpty
        }
        if isLast { isOver.stop() }
    }

    /// Ends the wait.
    func stop() { isOver.stop() }

    /// Waits for all answers or the end of the wait. Returns the loops that have not answered.
    func wait() async -> Set<Int> {
        await isOver.wait()
        return missing.withLock { $0 }
    }
}

extension Duration {
    fileprivate var nanoseconds: UInt64 { UInt64(max(0, self / .nanoseconds(1))) }
}
