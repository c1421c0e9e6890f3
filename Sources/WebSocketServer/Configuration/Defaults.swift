import UVTransport

/// Returns the number of cores that this process may use, the default number of event loops.
package func availableCores() -> Int { availableParallelism() }

/// The limit of the process's file descriptors, and the share that connections may use.
struct Descriptors: Sendable {
    /// The value of `RLIMIT_NOFILE`, after the soft limit was raised to the hard one.
    let limit: Int
    /// The descriptors kept for the broker, files, databases and name lookups: 64, or a quarter of
    /// the limit if that is less.
    let reserved: Int
    /// The descriptors kept for evicted connections that their loops have not closed yet: 64, or an
    /// eighth of the limit if that is less.
    private let slack: Int

    /// Raises the soft limit of descriptors to the hard one. A server does so when it starts.
    init() {
        limit = min(raiseDescriptorLimit(), Int(Int32.max))
        reserved = min(64, limit / 4)
        slack = min(64, limit / 8)
    }

    /// The descriptor number from which on a shortage is declared.
    var end: Int { limit - reserved }

    var forConnections: Int { end - slack }

    /// The number of free descriptors at which new connections are refused. Connections alone
    /// don't get there.
    var freeMin: Int { reserved + slack / 2 }

    /// The number of descriptors that further connections may use.
    var leftForConnections: Int { max(0, forConnections - Int(lowestFreeDescriptor())) }
}

/// The connections above a limit that still receive a refusal: this many by close code 1008, and as
/// many again by status 503.
enum Headroom {
    static func of(_ limit: Int) -> Int { max(1, min(1_024, limit / 8)) }

    /// Returns the highest limit that needs, with twice its headroom, no more than `count`
    /// descriptors.
    static func limit(forDescriptors count: Int) -> Int {
        max(1, count - 2 * max(1, min(1_024, (count + 9) / 10)))
    }
}
