import Logging
import PubSub
import UVTransport
import WebSocketProtocol

/// The resources that the connections of one loop share: memory, codecs, masking keys and counters.
/// For that loop's thread, except for the initializer and `loop`.
// Safety: it owns `messageCounts`.
@safe
final class LoopResources: @unchecked Sendable {
    // Safety: confined to the loop's thread once its first connection is made.

    let loop: EventLoop
    let logger: Logger
    let warnings: ServerWarnings
    let registry: ConnectionRegistry
    let tasks: HandlerTasks
    /// The places of all connections of a server; `nil` on a client's loop.
    let admission: Admission?
    /// The topics, if the loop is that of a server.
    var topics: LoopTopics?
    /// The TLS handshakes; `nil` for clients.
    var handshakes: TLSHandshakes?
    /// The load of the loop; `nil` if it isn't measured.
    var load: LoopLoad?
    /// The access log; `nil` if there is none.
    var access: AccessLog?
    var counters = Counters()
    /// The counts of each route, in the order of the router, behind those without a route.
    var routes: [RouteCounts]
    /// The messages of each route, in the order of ``routes``.
    private(set) var messageCounts: UnsafeMutablePointer<MessageCounts>
    /// Smaller blocks of these counts, which callers on the stack may still refer to.
    private var outgrownCounts: [UnsafeMutablePointer<MessageCounts>] = unsafe []
    var assemblies: AssemblyPool
    let codecs: LoopCodecs
    let memory: LoopMemory
    var maskingKeys: MaskingKeys
    var turnQueue = TurnQueue()
    /// The total nanoseconds of long reads and pipelined requests.
    var longReadNanoseconds: UInt64 = 0
    /// The time from the first byte of a request to its 101.
    var openingHandshakes = TimeHistogram.handshakes
    var tlsHandshakes = TimeHistogram.handshakes
    var turns = TimeHistogram.turns
    /// The resources of all loops of the server; set before there are connections.
    var siblings: [LoopResources] = []

    init(
        loop: EventLoop, logger: Logger, warnings: ServerWarnings, budgets: MemoryBudgets,
        admission: Admission?, routeCount: Int = 0
    ) {
        self.loop = loop
        self.logger = logger
        self.warnings = warnings
        self.admission = admission
        registry = ConnectionRegistry(loop: loop)
        maskingKeys = MaskingKeys(isSeeded: loop.isManual)
        tasks = HandlerTasks(loop: loop)
        memory = LoopMemory(budget: budgets.memory)
        assemblies = AssemblyPool(budget: budgets.assemblies, memory: memory)
        codecs = LoopCodecs(budget: budgets.contexts, loop: loop)
        routes = Array(repeating: RouteCounts(), count: routeCount + 1)
        unsafe messageCounts = .allocate(capacity: routeCount + 1)
        unsafe messageCounts.initialize(repeating: MessageCounts(), count: routeCount + 1)
    }

    deinit {
        unsafe messageCounts.deallocate()
        unsafe outgrownCounts.forEach { unsafe $0.deallocate() }
    }

    /// Makes room for the counts of the routes that a reload has added. Open connections then count
    /// there.
    func makeRoom(forRoutes routeCount: Int) {
        let (oldCount, newCount) = (routes.count, routeCount + 1)
        guard newCount > oldCount else { return }
        routes += Array(repeating: RouteCounts(), count: newCount - oldCount)
        let old = unsafe messageCounts
        unsafe messageCounts = .allocate(capacity: newCount)
        unsafe messageCounts.initialize(repeating: MessageCounts(), count: newCount)
        unsafe messageCounts.update(from: old, count: oldCount)
        for connection in registry.snapshot() { unsafe connection.moveCounts(from: old) }
        unsafe outgrownCounts.append(old)
    }

    /// The counts so far.
    var total: Counters {
        var total = counters
        for route in routes.indices { unsafe total.messages.add(messageCounts[route]) }
        total.compression = codecs.total
        total.tls = tlsCounts
        if let topics {
            total.topics = topics.counts
            total.compression.sharedContexts = topics.delivery.contexts.liveContexts
            total.compression.sharedContextBytes = topics.delivery.contexts.memorySize
        }
        return total
    }

    /// Removes a connection from the counts when its descriptor is closed.
    func handleClosed(_ connection: ConnectionCore) {
        admission?.leave(connection)
        registry.streamClosed { codecs.release(&assemblies) }
    }
}
