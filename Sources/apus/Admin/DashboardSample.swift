import WebSocketServer

/// The figures of one second, for the dashboard.
struct DashboardSample: Codable, Sendable {
    /// The milliseconds since 1970.
    var time: Int64
    /// The open WebSocket connections.
    var connections: Int
    // The messages, and the bytes of their payloads, per second.
    var messagesIn: Double
    var messagesOut: Double
    var bytesIn: Double
    var bytesOut: Double
    /// The bytes per second that compression has saved, in both directions.
    var saved: Double
    /// The time that the slowest event loop took to answer.
    var lagMs: Double
    /// The share of the time that the busiest event loop used the processor: 0 to 1.
    var busy: Double
    /// The limits that were met, per second.
    var limits: Double
    /// The connections for which publications wait, and those closed per second because of that.
    var slow: Int
    var slowClosed: Double
}

/// The figures of a server at one moment, from which samples are made.
struct DashboardReading: Sendable {
    let statistics: ServerStatistics
    /// The time that never goes back, and the milliseconds since 1970.
    let instant: ContinuousClock.Instant
    let time: Int64

    /// Returns the sample of the time since an earlier reading.
    func sample(since before: DashboardReading) -> DashboardSample {
        let seconds = max(0.001, before.instant.duration(to: instant) / .seconds(1))
        func rate(_ count: (Counters) -> UInt64) -> Double {
            let (new, old) = (count(statistics.counters), count(before.statistics.counters))
            return Double(new - min(new, old)) / seconds
        }
        let busy = zip(statistics.loops, before.statistics.loops).map { new, old in
            (new.cpuTime - old.cpuTime) / .seconds(1) / seconds
        }
        return DashboardSample(
            time: time, connections: statistics.connections.webSockets,
            messagesIn: rate(\.messages.messagesReceived),
            messagesOut: rate(\.messages.messagesSent),
            bytesIn: rate(\.messages.bytesReceived), bytesOut: rate(\.messages.bytesSent),
            saved: max(
                0,
                rate(\.compression.bytesBeforeDeflate) - rate(\.compression.bytesAfterDeflate)
                    + rate(\.compression.bytesAfterInflate)
                    - rate(\.compression.bytesBeforeInflate)),
            lagMs: (statistics.loops.map(\.lag).max() ?? .zero).seconds * 1_000,
            busy: min(1, max(0, busy.max() ?? 0)),
            limits: rate { counters in counters.limitsMet.reduce(0) { $0 + UInt64($1.count) } },
            slow: statistics.slowConsumers, slowClosed: rate { UInt64($0.slowConsumers) })
    }
}

extension Counters {
    /// The limits that were met since the start of the server, in words.
    var limitsMet: [DashboardLimit] {
        let all: [(String, Int)] = [
            ("connections: closed with 1008 or answered 503", refusedByLimit + refusedByHeadroom),
            ("connections: closed when accepted", refusedAtAccept),
            ("connections: evicted for newer ones", evicted),
            ("size of frames", Int(limits.frameSize)),
            ("size of messages", Int(limits.messageSize)),
            ("size of messages when inflated", Int(limits.inflatedSize)),
            ("frames of a message", Int(limits.fragments)),
            ("memory of incomplete messages", Int(limits.assemblySize)),
            ("time for a message to arrive", Int(limits.messageTime)),
            ("messages per second", Int(limits.messageRate)),
            ("bytes per second", Int(limits.byteRate)),
            ("memory of the server", Int(limits.memory)),
            ("time to authenticate", Int(limits.authenticationTime)),
            ("time for a handshake or request", handshakeTimeouts),
            ("time for a pong", heartbeatTimeouts),
            ("idle time", idleTimeouts),
            ("slow consumers", slowConsumers),
        ]
        return all.filter { $0.1 > 0 }.map { DashboardLimit(name: $0.0, count: $0.1) }
    }
}

/// A limit, and the number of times that it was met.
struct DashboardLimit: Codable, Sendable {
    let name: String
    let count: Int
}
