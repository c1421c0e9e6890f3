import UVTransport

/// The cores this process may use: the default number of loops.
public func availableCores() -> Int { availableParallelism() }

extension Limits {
    /// As many connections as descriptors allow, after raising the soft limit to the hard one: with
    /// those that are told that there are too many, and with 128 left for everything else.
    public static func connectionsFromDescriptors() -> Int {
        let descriptors = Descriptors()
        return min(10_000_000, Admission.limit(forDescriptors: descriptors.forConnections))
    }
}

/// The file descriptors that the process may have, and how many of them connections may not.
struct Descriptors: Sendable {
    /// `RLIMIT_NOFILE`, once the soft limit is raised to the hard one.
    let limit: Int
    /// Kept for the broker, files, databases and name lookups, whatever connects: 64, or a quarter
    /// of what there is if that is less.
    let reserved: Int
    /// Left for evicted connections that are about to be closed by their loops: 64, or an eighth
    /// of what there is.
    private let slack: Int

    init() {
        limit = min(raiseDescriptorLimit(), Int(Int32.max))
        reserved = min(64, limit / 4)
        slack = min(64, limit / 8)
    }

    /// Descriptors are short once connections are given this number or a higher one.
    var end: Int { limit - reserved }

    var forConnections: Int { end - slack }

    /// The descriptors that connections may have, besides those that are open already.
    var leftForConnections: Int { max(0, forConnections - Int(lowestFreeDescriptor())) }
}
