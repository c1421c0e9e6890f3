import HTTPProtocol
import Synchronization
import UVTransport

/// The connections of one loop, and some data about few of them. For that loop's thread.
// Safety: a listed connection is kept alive by its open handle.
@safe
final class ConnectionRegistry {
    private let loop: EventLoop
    /// Whether new connections are refused and old ones are drained.
    var isDraining = false
    /// Whether requests to become a WebSocket are refused, because the server stops.
    var refusesUpgrades = false
    private var connections: [Unmanaged<ConnectionCore>] = unsafe []
    private var openStreams = 0
    private var lastID: UInt64 = 0
    private var onEmpty: [() -> Void] = []

    // Values that few connections have are kept here by connection number, so that the others don't
    // pay for them.
    var subprotocols: [UInt64: String] = [:]
    var closeReasons: [UInt64: String] = [:]
    var users: [UInt64: ExactString] = [:]
    var deadlines: [UInt64: ConnectionDeadline] = [:]
    var delayedAnswers: [UInt64: DelayedAnswer] = [:]
    var tasks: [UInt64: ConnectionTasks] = [:]
    /// The times at which connections are closed, if their lifetime is limited.
    private(set) var endsOfLife: [UInt64: UInt64] = [:]
    /// The requests that have become WebSockets, for the access log.
    var accessEntries: [UInt64: AccessEntry] = [:]
    /// The bytes that peers had yet to take when they were recorded.
    private(set) var undelivered: [UInt64: Undelivered] = [:]

    init(loop: EventLoop) { self.loop = loop }

    private static let connectionCount = Atomic<UInt64>(0)

    /// Returns a number that no other connection of the process has. With a manual clock, a test
    /// counts from 1, so that it is the same in each run.
    func nextID() -> UInt64 {
        if loop.isManual {
            lastID += 1
            return lastID
        }
        return Self.connectionCount.wrappingAdd(1, ordering: .relaxed).newValue
    }

    // MARK: - Connections

    var isEmpty: Bool { unsafe connections.isEmpty }

    var count: Int { unsafe connections.count }

    /// Returns the connection at a position of the list. When a connection is removed, the last one
    /// takes its position.
    subscript(index: Int) -> ConnectionCore { unsafe connections[index].takeUnretainedValue() }

    /// Returns all connections as a copy, so that work on them may change the list.
    func snapshot() -> [ConnectionCore] {
        unsafe connections.map { unsafe $0.takeUnretainedValue() }
    }

    /// Lists a connection; its open handle keeps it alive.
    func add(_ connection: ConnectionCore) {
        connection.listIndex = unsafe Int32(connections.count)
        unsafe connections.append(Unmanaged.passUnretained(connection))
        openStreams += 1
    }

    /// Removes a connection from the list, and its notes except the reason of its close.
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
        if !users.isEmpty { users[connection.id] = nil }
        clearDeadline(of: connection.id)
        endDelayedAnswer(of: connection.id)
        endTasks(of: connection.id)
        setUndelivered(nil, of: connection.id)
        setEndOfLife(nil, of: connection.id)
    }

    /// Counts out a connection whose descriptor is closed. If it was the last one, calls `onLast`
    /// and then those that wait for it.
    func streamClosed(onLast: () -> Void) {
        openStreams -= 1
        guard openStreams == 0 else { return }
        onLast()
        let waiting = onEmpty
        onEmpty = []
        waiting.forEach { $0() }
    }

    /// Calls back on the loop once no stream is left, at once if none is.
    func whenEmpty(_ body: @escaping () -> Void) {
        if openStreams == 0 { body() } else { onEmpty.append(body) }
    }

    // MARK: - Notes

    /// The number of entries that are kept for connections; 0 once there is none.
    var noteCount: Int {
        closeReasons.count + subprotocols.count + users.count + deadlines.count
            + delayedAnswers.count + undelivered.count + tasks.count + accessEntries.count
            + endsOfLife.count
    }

    func clearDeadline(of connection: UInt64) {
        guard !deadlines.isEmpty, let deadline = deadlines.removeValue(forKey: connection) else {
            return
        }
        loop.cancel(deadline)
    }

    func endDelayedAnswer(of connection: UInt64) {
        guard !delayedAnswers.isEmpty, let answer = delayedAnswers.removeValue(forKey: connection)
        else { return }
        loop.cancel(answer)
    }

    func endTasks(of connection: UInt64) {
        guard !tasks.isEmpty, let ended = tasks.removeValue(forKey: connection) else { return }
        ended.cancel()
    }

    /// The time at which a connection is closed; `.max` if its lifetime isn't limited.
    func endOfLife(of connection: UInt64) -> UInt64 {
        endsOfLife.isEmpty ? .max : endsOfLife[connection] ?? .max
    }

    func setEndOfLife(_ value: UInt64?, of connection: UInt64) {
        if value != nil || !endsOfLife.isEmpty { endsOfLife[connection] = value }
    }

    func setUndelivered(_ value: Undelivered?, of connection: UInt64) {
        if value != nil || !undelivered.isEmpty { undelivered[connection] = value }
    }
}
