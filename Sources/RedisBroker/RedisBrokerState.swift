import UVTransport
import WebSocketServer

/// The state that a ``RedisBroker`` guards. It isn't nested, because Swift 6.3 miscompiles that.
struct RedisBrokerState {
    private(set) var core: RedisCore?
    private var group: EventLoopGroup?
    private var isOver = false
    var health = BrokerHealth(isReady: false, description: "not connected yet")
    var leftovers: Int?
    /// The publications that wait for the start, in order.
    private var early: [(number: Int, pending: PendingPublication)] = []
    private var earlyNumber = 0
    /// The number of pending publications, and their size in bytes.
    private var inFlight = 0
    private var inFlightSize = 0

    var openAtEnd: Int? { leftovers.map { $0 + inFlight } }

    enum Admission {
        /// The core that publishes it.
        case core(RedisCore)
        /// It waits for the start: its number.
        case waits(Int)
        case refused(BrokerError)
    }

    /// Admits a publication, which counts until ``release(_:)``.
    mutating func admit(_ pending: PendingPublication, _ options: RedisOptions) -> Admission {
        if isOver { return .refused(.stopped) }
        guard inFlight < options.inFlightMax, inFlightSize < options.inFlightSizeMax else {
            let detail = "too many publications are pending: \(inFlight), \(inFlightSize) bytes"
            return .refused(BrokerError(.unavailable, detail))
        }
        inFlight += 1
        inFlightSize += pending.publication.payloadCount
        if let core { return .core(core) }
        earlyNumber += 1
        early.append((earlyNumber, pending))
        return .waits(earlyNumber)
    }

    mutating func release(_ pending: PendingPublication) {
        inFlight -= 1
        inFlightSize -= pending.publication.payloadCount
    }

    /// Removes a publication that still waits for the start.
    mutating func takeEarly(_ number: Int) -> PendingPublication? {
        guard let index = early.firstIndex(where: { $0.number == number }) else { return nil }
        return early.remove(at: index).pending
    }

    /// Returns the publications that waited for the start.
    mutating func start(_ core: RedisCore, on group: EventLoopGroup) -> [PendingPublication] {
        self.core = core
        self.group = group
        return takeEarly()
    }

    /// Returns the publications that waited for the start, which has failed.
    mutating func fail(_ reason: String) -> [PendingPublication] {
        health.description = reason
        isOver = true
        return takeEarly()
    }

    /// Returns the core and the event loops to stop, and the publications that waited for a start.
    mutating func stop() -> (RedisCore?, EventLoopGroup?, [PendingPublication]) {
        defer { (core, group, isOver) = (nil, nil, true) }
        health = BrokerHealth(isReady: false, description: "stopped", gaps: health.gaps)
        return (core, group, takeEarly())
    }

    private mutating func takeEarly() -> [PendingPublication] {
        defer { early = [] }
        return early.map(\.pending)
    }
}

/// A publication that Redis has not answered yet.
struct PendingPublication: Sendable {
    let publication: Publication
    let completion: (@Sendable (BrokerError?) -> Void)?
}

extension BrokerError {
    static let stopped = BrokerError(.stopped, "the broker is stopped")
}
