import UVTransport

/// The cores this process may use: the default number of loops.
public func availableCores() -> Int { availableParallelism() }

extension Limits {
    /// As many connections as descriptors allow, after raising the soft limit to the hard one: with
    /// those that are told that there are too many, and with 64 left for everything else.
    public static func connectionsFromDescriptors() -> Int {
        min(10_000_000, Admission.limit(forDescriptors: Descriptors().endForConnections))
    }
}

/// The file descriptors that the process may have, and how many of them connections may not.
struct Descriptors: Sendable {
    /// `RLIMIT_NOFILE`, once the soft limit is raised to the hard one.
    let limit: Int
    /// Kept for the broker, files, databases and name lookups, whatever connects: 64, or half of
    /// what there is if that is less.
    let reserved: Int

    init() {
        limit = min(raiseDescriptorLimit(), Int(Int32.max))
        reserved = min(64, limit / 2)
    }

    /// The number that the descriptors of connections are below.
    var endForConnections: Int { limit - reserved }

    /// The descriptors that connections may still have, besides those that are open already.
    var leftForConnections: Int { max(0, endForConnections - Int(lowestFreeDescriptor())) }
}
