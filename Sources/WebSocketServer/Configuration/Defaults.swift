import UVTransport

/// The cores this process may use: the default number of loops.
public func availableCores() -> Int { availableParallelism() }

extension Limits {
    /// Descriptors kept for listening sockets, loops, files and logs.
    private static let descriptorsReserved = 64

    /// As many connections as descriptors allow, after raising the soft limit to the hard one.
    public static func connectionsFromDescriptors() -> Int {
        min(10_000_000, max(1, raiseDescriptorLimit() - descriptorsReserved))
    }
}
