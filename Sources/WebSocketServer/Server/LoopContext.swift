import Glibc
import Logging
import Synchronization
import UVTransport
import WebSocketProtocol

/// What the connections of one server on one loop share. For that loop's thread, the
/// initializer and `loop` aside.
final class LoopContext: @unchecked Sendable {
    // Safety: confined to the loop's thread once its first connection is made.

    let loop: EventLoop
    let logger: Logger
    let admission: Admission?
    var counters = Counters()
    var assemblies: AssemblyPool
    var maskingKeys = MaskingKeys()
    /// What few connections have is kept beside them, by their number.
    var subprotocols: [UInt64: String] = [:]
    var closeReasons: [UInt64: String] = [:]
    /// The signals watched, on the first loop alone.
    var signals: [SignalSource] = []
    /// New connections are refused and old ones are let go.
    var isDraining = false

    private(set) var connections: [Unmanaged<ConnectionCore>] = []
    private var openStreams = 0
    private var onEmpty: (() -> Void)?
    private var dateText = ""
    private var dateSecond: time_t = -1

    init(loop: EventLoop, logger: Logger, budget: AssemblyBudget, admission: Admission?) {
        self.loop = loop
        self.logger = logger
        self.admission = admission
        self.assemblies = AssemblyPool(budget: budget)
    }

    private static let connectionCount = Atomic<UInt64>(0)

    func nextConnectionID() -> UInt64 {
        Self.connectionCount.wrappingAdd(1, ordering: .relaxed).newValue
    }

    // MARK: - Connections

    /// Lists a connection; its open handle keeps it alive.
    func add(_ connection: ConnectionCore) {
        connection.listIndex = Int32(connections.count)
        connections.append(Unmanaged.passUnretained(connection))
        openStreams += 1
    }

    func remove(_ connection: ConnectionCore) {
        let index = Int(connection.listIndex)
        guard index >= 0 else { return }
        connection.listIndex = -1
        let last = connections.removeLast()
        if index < connections.count {
            connections[index] = last
            last._withUnsafeGuaranteedRef { $0.listIndex = Int32(index) }
        }
        if !subprotocols.isEmpty { subprotocols[connection.id] = nil }
    }

    /// A connection's descriptor is closed: it counts no more.
    func handleClosed(_ connection: ConnectionCore) {
        if connection.role == .server { admission?.leave(connection.peer) }
        openStreams -= 1
        if openStreams == 0, let onEmpty {
            self.onEmpty = nil
            onEmpty()
        }
    }

    /// Calls back on the loop once no stream is left, at once if none is.
    func whenEmpty(_ body: @escaping () -> Void) {
        if openStreams == 0 { body() } else { onEmpty = body }
    }

    /// All connections, safe against changes of the list by what is done with them.
    func snapshot() -> [ConnectionCore] { connections.map { $0.takeUnretainedValue() } }

    // MARK: - Date

    /// The `Date` header's value (RFC 9110 §6.6.1), made once a second.
    var date: String {
        var now = time(nil)
        if now == dateSecond { return dateText }
        dateSecond = now
        var parts = tm()
        gmtime_r(&now, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        dateText =
            "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) "
            + "\(parts.tm_year + 1900) \(two(parts.tm_hour)):\(two(parts.tm_min)):"
            + "\(two(parts.tm_sec)) GMT"
        return dateText
    }
}
