/// The figures of one loop at one moment, as the loop itself reads them.
struct LoopReading: Sendable {
    var counters = Counters()
    /// The counts of the routes, behind those of connections and requests without a route.
    var routes: [RouteCounts] = []
    var messages: [MessageCounts] = []
    var openingHandshakes = TimeHistogram.handshakes
    var tlsHandshakes = TimeHistogram.handshakes
    var turns = TimeHistogram.turns
    /// The processor time of the loop's thread, in nanoseconds.
    var cpuNanoseconds: UInt64 = 0
    /// The time that the loop took to answer, in nanoseconds.
    var lagNanoseconds: UInt64 = 0
    var memoryHeld = 0
    var tasks = 0
    var pendingJobs = 0
    var waitingForTurn = 0
    var slowConsumers = 0
    var tlsInProgress = 0
    /// The number of topics with subscribers on any loop.
    var topics = 0
}
