public import HTTPTypes
public import PubSub

/// The figures of a server at one moment.
///
/// Counts begin with the start of the server and never go down. They are exact for each event loop;
/// the loops are read one shortly after the other.
public struct ServerStatistics: Sendable {
    /// The events of all loops.
    public internal(set) var counters = Counters()
    /// The connections now.
    public internal(set) var connections = ConnectionFigures()
    /// The routes, in the order in which the router tries them.
    public internal(set) var routes: [RouteStatistics] = []
    /// The number of responses by status to requests that no route answers: those without a route,
    /// invalid ones, and those that a limit of connections refuses.
    public internal(set) var unroutedResponses: [Int: Int] = [:]
    /// The event loops.
    public internal(set) var loops: [LoopStatistics] = []

    /// The bytes that peers make the server hold: ``Limits/memoryMax``.
    public internal(set) var memory = BudgetStatistics()
    /// The bytes of partly received messages: ``Limits/assemblySizeMax``.
    public internal(set) var assemblies = BudgetStatistics()
    /// The bytes reserved for compression contexts: ``Compression/memoryMax``.
    public internal(set) var contexts = BudgetStatistics()
    /// The bytes that wait for slow consumers: ``TopicConfiguration/backlogMax``.
    public internal(set) var backlogs = BudgetStatistics()
    /// The bytes of publications that the loops have not delivered yet:
    /// ``TopicConfiguration/backlogMax``.
    public internal(set) var deliveries = BudgetStatistics()

    /// The time from the first byte of an upgrade request to its 101 response, the decision of the
    /// route included.
    public internal(set) var openingHandshakes = TimeHistogram.handshakes
    /// The time from the first to the last byte of completed TLS handshakes.
    public internal(set) var tlsHandshakes = TimeHistogram.handshakes
    /// The number of TLS handshakes in progress.
    public internal(set) var tlsHandshakesInProgress = 0
    /// The number of topics with subscribers.
    public internal(set) var topics = 0
    /// The number of connections for which publications wait.
    public internal(set) var slowConsumers = 0
    /// The state of the broker.
    public internal(set) var broker: BrokerHealth
    /// Whether a stop has begun: ``Server/isDraining``.
    public internal(set) var isDraining: Bool
    /// Whether new connections are refused because of the load: ``Server/isOverloaded``.
    public internal(set) var isOverloaded: Bool

    init(broker: BrokerHealth, isDraining: Bool, isOverloaded: Bool) {
        self.broker = broker
        self.isDraining = isDraining
        self.isOverloaded = isOverloaded
    }
}

/// The numbers of a server's connections.
public struct ConnectionFigures: Sendable, Equatable {
    /// All open connections, including those that aren't WebSockets (yet).
    public internal(set) var open = 0
    /// The open connections that hold no place: they await a request, must still authenticate, or
    /// are being closed.
    public internal(set) var waiting = 0
    /// The open WebSocket connections.
    public internal(set) var webSockets = 0
    /// The most connections that may hold a place: ``Limits/connectionsMax``, or fewer where there
    /// are too few file descriptors.
    public internal(set) var max = 0

    init() {}
}

/// The figures of one route.
public struct RouteStatistics: Sendable, Equatable {
    /// The method; GET for a WebSocket.
    public let method: HTTPRequest.Method
    /// The path as it was given to the router, such as `/rooms/{room}`.
    public let path: String
    /// Whether the route decides on upgrades.
    public let isWebSocket: Bool
    /// The number of WebSocket connections that were opened.
    public internal(set) var opened = 0
    /// The number of WebSocket connections that are open.
    public internal(set) var open = 0
    /// The messages of its WebSocket connections.
    public internal(set) var messages = MessageCounts()
    /// The number of responses by status. An accepted upgrade is a 101.
    public internal(set) var responses: [Int: Int] = [:]

    init(method: HTTPRequest.Method, path: String, isWebSocket: Bool) {
        self.method = method
        self.path = path
        self.isWebSocket = isWebSocket
    }
}

/// The figures of one event loop.
public struct LoopStatistics: Sendable, Equatable {
    /// The open WebSocket connections of the loop.
    public internal(set) var webSockets = 0
    /// The time that the loop took to answer the question for these figures: how late it was for
    /// any event. After a second, the answer isn't awaited. Then the other figures are those of the
    /// loop's last answer, and this is the time that has passed.
    public internal(set) var lag = Duration.zero
    /// The processor time of the loop's thread.
    public internal(set) var cpuTime = Duration.zero
    /// The durations of the loop's turns: from the end of one wait for events to the next wait. Each
    /// is known to the millisecond. Empty unless ``ServerConfiguration/measuresTurns`` is set.
    public internal(set) var turns = TimeHistogram.turns
    /// The bytes that peers make the loop hold.
    public internal(set) var memoryHeld = 0
    /// The running tasks of `async` handlers, requests and decisions on upgrades.
    public internal(set) var tasks = 0
    /// The jobs that wait for the loop's next turn.
    public internal(set) var pendingJobs = 0
    /// The connections with received bytes that wait for a turn with time left.
    public internal(set) var waitingForTurn = 0

    init() {}
}

/// The use of a budget.
public struct BudgetStatistics: Sendable, Equatable {
    /// The bytes in use. It may exceed ``max`` for a moment, before connections are closed.
    public internal(set) var used = 0
    /// The most bytes that may be in use.
    public internal(set) var max = 0

    init() {}

    init(_ budget: ByteBudget) {
        used = budget.bytesUsed
        max = budget.max
    }
}
