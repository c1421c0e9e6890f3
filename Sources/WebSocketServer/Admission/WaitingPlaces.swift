/// The connections that may be evicted, by the address that each is counted for.
///
/// Finds the oldest connection of the address with the most connections in constant time.
struct WaitingPlaces {
    private var places = LinkedLists<WaitingPlace>()
    private var holders: [UInt64: PlaceHolder] = [:]
    /// The connections of trusted proxies and of Unix-domain sockets, which have no address.
    private var keyless = LinkedLists<WaitingPlace>.List()
    private var ranks = LinkedLists<UInt64>()
    /// The addresses by the number of their connections here, which is the index.
    private var ranksByCount: [LinkedLists<UInt64>.List] = [.init()]
    /// The most connections that one address has here.
    private var largest = 0
    private(set) var count = 0

    /// Adds a connection after those that wait longer, and returns its slot.
    mutating func add(_ member: any AdmissionMember, key: UInt64?) -> Int32 {
        count += 1
        let place = WaitingPlace(member: member, key: key)
        guard let key else { return places.append(place, to: &keyless) }
        var holder = holders[key] ?? PlaceHolder()
        let slot = places.append(place, to: &holder.places)
        rank(&holder, key, count: holder.count + 1)
        holders[key] = holder
        return slot
    }

    /// Returns whether a slot is still that connection's: not once the connection has been evicted.
    func contains(_ member: any AdmissionMember, at slot: Int32) -> Bool {
        places[slot]?.member === member
    }

    /// Returns the address that the connection in a slot is counted for.
    func key(at slot: Int32) -> UInt64? { places[slot]?.key }

    /// Removes the connection in a slot, which must not be empty.
    mutating func remove(at slot: Int32) {
        count -= 1
        guard let key = places[slot]!.key else { return places.remove(slot, from: &keyless) }
        var holder = holders[key]!
        places.remove(slot, from: &holder.places)
        rank(&holder, key, count: holder.count - 1)
        holders[key] = holder.count > 0 ? holder : nil
    }

    /// Removes the connection to be evicted: the oldest one of the address with the most
    /// connections. Connections without an address come last, since a proxy has the connections of
    /// many clients.
    mutating func takeOldestOfLargest() -> WaitingPlace? {
        let slot =
            largest > 0 ? holders[ranks[ranksByCount[largest].first]!]!.places.first : keyless.first
        guard slot >= 0, let place = places[slot] else { return nil }
        remove(at: slot)
        return place
    }

    /// Moves an address to the rank of those that have `count` connections.
    private mutating func rank(_ holder: inout PlaceHolder, _ key: UInt64, count: Int) {
        if holder.count > 0 { ranks.remove(holder.rank, from: &ranksByCount[holder.count]) }
        if count == ranksByCount.count { ranksByCount.append(.init()) }
        if count > 0 { holder.rank = ranks.append(key, to: &ranksByCount[count]) }
        holder.count = count
        largest = max(largest, count)
        // A count changes by one, so the next rank below is this holder's if no other is there.
        if ranksByCount[largest].isEmpty { largest = count }
    }
}

/// A connection that may be evicted, and the address for which it is counted.
struct WaitingPlace {
    let member: any AdmissionMember
    let key: UInt64?
}

/// The connections of one address in ``WaitingPlaces``; not nested in it, which Swift 6.3
/// miscompiles.
private struct PlaceHolder {
    /// The oldest first.
    var places = LinkedLists<WaitingPlace>.List()
    var count = 0
    var rank: Int32 = 0
}
