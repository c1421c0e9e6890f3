import UVTransport

/// Whether the peer takes what it is sent: one that does is alive, however slowly it reads.
extension ConnectionCore {
    /// Notes what the peer has yet to take, for ``hasTakenSome()``; false if that is no more than
    /// `ignored` bytes.
    @discardableResult
    func noteUndelivered(ignoring ignored: Int = 0) -> Bool {
        let undelivered = Undelivered(on: self, ignoring: ignored)
        context.registry.setUndelivered(undelivered, of: id)
        return undelivered != nil
    }

    /// Whether the peer has taken some of what was noted, since then or since the last call.
    func hasTakenSome() -> Bool {
        guard var undelivered = context.registry.undelivered[id] else { return false }
        let isLess = undelivered.update(from: self)
        context.registry.setUndelivered(undelivered.isEmpty ? nil : undelivered, of: id)
        return isLess
    }

    /// Whether the peer takes what it is sent, where nothing was noted when that was sent: then it
    /// is noted now, and the peer has until the next call.
    func mayBeTaking() -> Bool {
        context.registry.undelivered[id] == nil ? noteUndelivered() : hasTakenSome()
    }
}
