import PubSub
import Glibc
import Logging
import Synchronization
import UVTransport
import WebSocketProtocol

/// What the connections of one server on one loop share. For that loop's thread, the
/// initializer and `loop` aside.
// Safety: a listed connection is kept alive by its open handle.
@safe
final class LoopContext: @unchecked Sendable {
    // Safety: confined to the loop's thread once its first connection is made.

    let loop: EventLoop
    let logger: Logger
    let warnings: ServerWarnings
    let admission: Admission?
    var counters = Counters()
    /// Counted for every message, so behind a pointer: reached without an exclusivity check.
    let messageCounts: UnsafeMutablePointer<MessageCounts>
    var assemblies: AssemblyPool
    let codecs: LoopCodecs
    let memory: LoopMemory
    /// The contexts of all of the server's loops; set before there are connections.
    var siblings: [LoopContext] = []
    @exclusivity(unchecked) var turnQueue = TurnQueue()
    /// Nanoseconds of processor time that the longest turn has taken, where turns are measured.
    var longestTurn: UInt64 = 0
    /// Nanoseconds that long reads and pipelined requests have taken, in all.
    var longReadNanoseconds: UInt64 = 0
    var maskingKeys = MaskingKeys()
    /// What few connections have is kept beside them, by their number.
    var subprotocols: [UInt64: String] = [:]
    var closeReasons: [UInt64: String] = [:]
    var deadlines: [UInt64: ConnectionDeadline] = [:]
    var delayedAnswers: [UInt64: DelayedAnswer] = [:]
    /// What peers had yet to take when it was noted.
    var undelivered: [UInt64: Undelivered] = [:]
    /// Topics, on the loops of a server.
    var topics: LoopTopics?
    /// What accepts on this loop.
    var listeners: [Listener] = []
    /// Exchanges that upgraded connections have left, for those to come.
    var spareExchanges: [HTTPExchange] = []
    /// The signals watched, on the first loop alone.
    var signals: [SignalSource] = []
    /// Lets connections go; kept here, since the timer wheel keeps nothing alive.
    var drain: ConnectionDrain?
    /// New connections are refused and old ones are let go.
    var isDraining = false

    private(set) var connections: [Unmanaged<ConnectionCore>] = unsafe []
    private var openStreams = 0
    private var onEmpty: [() -> Void] = []
    private var dateText = ""
    private var dateSecond: time_t = -1

    init(
        loop: EventLoop, logger: Logger, warnings: ServerWarnings, memory: ByteBudget,
        assemblies: ByteBudget, contexts: ByteBudget, admission: Admission?
    ) {
        self.loop = loop
        self.logger = logger
        self.warnings = warnings
        self.admission = admission
        self.memory = LoopMemory(budget: memory)
        self.assemblies = AssemblyPool(budget: assemblies, memory: self.memory)
        self.codecs = LoopCodecs(budget: contexts)
        unsafe messageCounts = .allocate(capacity: 1)
        unsafe messageCounts.initialize(to: MessageCounts())
    }

    deinit { unsafe messageCounts.deallocate() }

    /// What has been counted so far.
    var total: Counters {
        var total = counters
        unsafe total.messages = messageCounts.pointee
        total.compression = codecs.total
        if let topics {
            total.topics = topics.counts
            total.compression.sharedContexts = topics.delivery.contexts.liveContexts
            total.compression.sharedContextBytes = topics.delivery.contexts.memorySize
        }
        return total
    }

    private static let connectionCount = Atomic<UInt64>(0)

    func nextConnectionID() -> UInt64 {
        Self.connectionCount.wrappingAdd(1, ordering: .relaxed).newValue
    }

    // MARK: - Connections

    /// Lists a connection; its open handle keeps it alive.
    func add(_ connection: ConnectionCore) {
        connection.listIndex = unsafe Int32(connections.count)
        unsafe connections.append(Unmanaged.passUnretained(connection))
        openStreams += 1
    }

    func remove(_ connection: ConnectionCore) {
        let index = Int(connection.listIndex)
        guard index >= 0 else { return }
        connection.listIndex = -1
        let last = unsafe connections.removeLast()
        if unsafe index < connections.count {
            unsafe connections[index] = unsafe last
            unsafe last._withUnsafeGuaranteedRef { $0.listIndex = Int32(index) }
        }
        if !subprotocols.isEmpty { subprotocols[connection.id] = nil }
        clearDeadline(of: connection.id)
        endDelayedAnswer(of: connection.id)
        if !undelivered.isEmpty { undelivered[connection.id] = nil }
    }

    /// The number of entries that are kept for connections beside them; 0 once there is none.
    var noteCount: Int {
        closeReasons.count + subprotocols.count + deadlines.count + delayedAnswers.count
            + undelivered.count
    }

    /// A connection's descriptor is closed: it counts no more.
    func handleClosed(_ connection: ConnectionCore) {
        admission?.leave(connection)
        openStreams -= 1
        guard openStreams == 0 else { return }
        codecs.release(&assemblies)
        let waiting = onEmpty
        onEmpty = []
        waiting.forEach { $0() }
    }

    /// Calls back on the loop once no stream is left, at once if none is.
    func whenEmpty(_ body: @escaping () -> Void) {
        if openStreams == 0 { body() } else { onEmpty.append(body) }
    }

    /// All connections, safe against changes of the list by what is done with them.
    func snapshot() -> [ConnectionCore] {
        unsafe connections.map { unsafe $0.takeUnretainedValue() }
    }

    // MARK: - Date

    /// The `Date` header's value (RFC 9110 §6.6.1), made once a second.
    var date: String {
        var now = time(nil)
        if now == dateSecond { return dateText }
        dateSecond = now
        var parts = unsafe tm()
        unsafe gmtime_r(&now, &parts)
        dateText = unsafe Self.imfFixdate(
            weekday: parts.tm_wday, day: parts.tm_mday, month: parts.tm_mon,
            year: parts.tm_year + 1900,
            time: [parts.tm_hour, parts.tm_min, parts.tm_sec])
        return dateText
    }

    /// RFC 9110 §5.6.7; weekday and month count from zero.
    private static func imfFixdate(
        weekday: Int32, day: Int32, month: Int32, year: Int32, time: [Int32]
    ) -> String {
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let clock = time.map(two).joined(separator: ":")
        return "\(days[Int(weekday)]), \(two(day)) \(months[Int(month)]) \(year) \(clock) GMT"
    }
}
