import CLibuv

/// The cores that the calling thread, and what it starts, may run on: a set of the first 64.
public struct CoreAffinity: Sendable, Hashable {
    public let cores: [Int]

    public init(cores: [Int]) { self.cores = cores.filter { 0..<64 ~= $0 } }

    /// The calling thread's; empty where they can't be known.
    public static var current: CoreAffinity {
        let mask = apus_allowed_cores()
        return CoreAffinity(cores: (0..<64).filter { mask & 1 << UInt($0) != 0 })
    }

    /// Makes them the calling thread's; false where that is not allowed.
    @discardableResult
    public func apply() -> Bool {
        let mask = cores.reduce(0 as UInt) { $0 | 1 << UInt($1) }
        return mask != 0 && apus_allow_cores(mask) == 0
    }
}
