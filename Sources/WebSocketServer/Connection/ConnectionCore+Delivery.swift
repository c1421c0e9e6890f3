import UVTransport

/// The observation of whether the peer reads. A peer that takes sent bytes is alive, however slowly
/// it reads.
extension ConnectionCore {
    /// Records how much the peer has not taken yet, for ``hasTakenSome()``. Returns false if that
    /// is no more than `ignored` bytes.
    @discardableResult
    func noteUndelivered(ignoring ignored: Int = 0) -> Bool {
        let undelivered = Undelivered(on: self, ignoring: ignored)
        resources.registry.setUndelivered(undelivered, of: id)
        return undelivered != nil
    }

    /// Returns whether the peer has taken some of the noted bytes since then, or since the last
    /// call.
    func hasTakenSome() -> Bool {
        guard var undelivered = resources.registry.undelivered[id] else { return false }
        let isLess = undelivered.update(from: self)
        resources.registry.setUndelivered(undelivered.isEmpty ? nil : undelivered, of: id)
        return isLess
    }

    /// Returns whether the peer takes sent bytes. If the state at the time of sending was not
    /// recorded, it is recorded now, and the peer has until the next call.
    func mayBeTaking() -> Bool {
        resources.registry.undelivered[id] == nil ? noteUndelivered() : hasTakenSome()
    }
}
