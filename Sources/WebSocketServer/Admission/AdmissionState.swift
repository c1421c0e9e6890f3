import UVTransport

/// The state of ``Admission``, which guards it by a lock.
struct AdmissionState {
    typealias Verdict = Admission.Verdict

    /// The limit of all connections.
    var max: Int
    /// The most that the file descriptors allow.
    var descriptorMax = Int.max
    var perAddressMax: Int?
    var proxies: ProxyConfiguration
    private(set) var all = PlaceCounts()
    /// The places in use by address. They are counted even without a limit, because a reload may
    /// set one.
    private(set) var addresses: [UInt64: PlaceCounts] = [:]
    private(set) var waiting = WaitingPlaces()

    init(max: Int, perAddressMax: Int?, proxies: ProxyConfiguration) {
        self.max = max
        self.perAddressMax = perAddressMax
        self.proxies = proxies
    }

    /// Returns the key that a connection is counted for; `nil` for a trusted proxy, since a proxy
    /// has the connections of many clients.
    func key(of peer: SocketAddress) -> UInt64? { proxies.trusts(peer) ? nil : peer.clientKey }

    /// Returns the key of a new connection; `nil` if the PROXY protocol's header must still name
    /// the client.
    func keyOfNewcomer(_ peer: SocketAddress) -> UInt64? {
        proxies.proxyProtocol == .required ? nil : key(of: peer)
    }

    /// Counts a new connection in, for a key or for none, unless there is no room.
    mutating func enter(_ key: UInt64?, isOverloaded: Bool, isShort: Bool) -> Admission.Entry {
        if let perAddressMax, let key, let counts = addresses[key], counts.isFull(perAddressMax) {
            return Admission.Entry(verdict: .noRoom, key: key, evicted: nil)
        }
        // No further connection is served while the server is overloaded; there is room for some
        // that receive a refusal.
        let limit = isOverloaded ? min(max, all.held) : max
        var evicted: WaitingPlace?
        if isShort || all.open >= limit + 2 * Headroom.of(max) {
            evicted = waiting.takeOldestOfLargest()
            if let evicted { count(evicted.key, open: -1) }
            if isShort || evicted == nil {
                return Admission.Entry(verdict: .noRoom, key: key, evicted: evicted?.member)
            }
        }
        count(key, open: 1)
        return Admission.Entry(verdict: .admitted, key: key, evicted: evicted?.member)
    }

    mutating func add(_ member: any AdmissionMember, _ key: UInt64?) -> Place {
        .waiting(slot: waiting.add(member, key: key))
    }

    /// Makes a connection wait that has held a place.
    mutating func release(
        _ member: any AdmissionMember, from old: UInt64?, to new: UInt64?
    ) -> Place {
        count(old, open: -1, held: -1)
        count(new, open: 1)
        return add(member, new)
    }

    /// Counts a waiting connection for another key.
    mutating func move(_ member: any AdmissionMember, at slot: Int32, to new: UInt64?) -> Place {
        guard waiting.contains(member, at: slot) else { return .waiting(slot: slot) }
        let old = waiting.key(at: slot)
        if old == new { return .waiting(slot: slot) }
        waiting.remove(at: slot)
        count(old, open: -1)
        count(new, open: 1)
        return add(member, new)
    }

    func judge(_ member: any AdmissionMember, at slot: Int32) -> Verdict {
        guard waiting.contains(member, at: slot) else { return .noRoom }
        let byAll = all.verdict(max)
        guard let perAddressMax, let key = waiting.key(at: slot) else { return byAll }
        return Swift.max(byAll, addresses[key, default: PlaceCounts()].verdict(perAddressMax))
    }

    /// Returns the place that a waiting connection holds from now on; `nil` if none is left.
    mutating func hold(_ member: any AdmissionMember, at slot: Int32) -> Place? {
        guard judge(member, at: slot) == .admitted else { return nil }
        let key = waiting.key(at: slot)
        count(key, held: 1)
        waiting.remove(at: slot)
        return .held(isCounted: key != nil)
    }

    mutating func leave(heldBy key: UInt64?) { count(key, open: -1, held: -1) }

    mutating func leave(_ member: any AdmissionMember, at slot: Int32) {
        guard waiting.contains(member, at: slot) else { return }
        count(waiting.key(at: slot), open: -1)
        waiting.remove(at: slot)
    }

    private mutating func count(_ key: UInt64?, open: Int = 0, held: Int = 0) {
        all.open += open
        all.held += held
        guard let key else { return }
        var counts = addresses[key] ?? PlaceCounts()
        counts.open += open
        counts.held += held
        addresses[key] = counts.open > 0 ? counts : nil
    }
}

/// The number of connections that one limit applies to.
struct PlaceCounts {
    /// All connections, and those of them that hold a place.
    var open = 0
    var held = 0

    /// Returns the verdict on a request of a waiting connection.
    func verdict(_ limit: Int) -> Admission.Verdict {
        let headroom = Headroom.of(limit)
        // The connection may be counted for another address than when it was accepted.
        if open > limit + 2 * headroom { return .noRoom }
        if held < limit { return .admitted }
        return open <= limit + headroom ? .overLimit : .overHeadroom
    }

    /// Returns whether one more connection would be closed at once.
    func isFull(_ limit: Int) -> Bool { open >= limit + 2 * Headroom.of(limit) }
}
