import CLibuv

/// The cores that the calling thread, and the threads it starts, may run on: a set of the first 64.
package struct CoreAffinity: Sendable, Hashable {
    package let cores: [Int]

    package init(cores: [Int]) { self.cores = cores.filter { 0..<64 ~= $0 } }

    /// The calling thread's cores; empty if they can't be determined.
    package static var current: CoreAffinity {
        let mask = apus_allowed_cores()
        return CoreAffinity(cores: (0..<64).filter { mask & 1 << UInt($0) != 0 })
    }

    /// Keeps the calling thread to these cores. Returns false if that isn't allowed.
    @discardableResult
    package func apply() -> Bool {
        let mask = cores.reduce(0 as UInt) { $0 | 1 << UInt($1) }
        return mask != 0 && apus_allow_cores(mask) == 0
    }
}
