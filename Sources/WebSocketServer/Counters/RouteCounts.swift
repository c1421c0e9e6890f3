/// The events counted for one route on one loop, without messages.
struct RouteCounts: Sendable, Equatable {
    /// The number of opened WebSocket connections, and of those that have ended.
    var opened = 0
    var closed = 0
    var responses = StatusCounts()

    mutating func add(_ other: RouteCounts) {
        opened += other.opened
        closed += other.closed
        responses.add(other.responses)
    }
}

/// The number of responses by status. A route has few statuses, so that a list is faster than a
/// dictionary.
struct StatusCounts: Sendable, Equatable {
    private(set) var counts: [(status: Int, count: Int)] = []

    mutating func add(_ status: Int, count: Int = 1) {
        for index in counts.indices where counts[index].status == status {
            counts[index].count += count
            return
        }
        counts.append((status, count))
    }

    mutating func add(_ other: StatusCounts) {
        for (status, count) in other.counts { add(status, count: count) }
    }

    /// The counts by status.
    var byStatus: [Int: Int] {
        Dictionary(counts.map { ($0.status, $0.count) }, uniquingKeysWith: +)
    }

    static func == (a: StatusCounts, b: StatusCounts) -> Bool { a.byStatus == b.byStatus }
}
