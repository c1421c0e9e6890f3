import Synchronization
import UVTransport

/// The decision, for all loops, which connections are accepted, and which are evicted when places
/// run out.
///
/// A connection *holds* a place while it is in use: as a WebSocket whose peer is authenticated (if
/// its route requires that), and while one of its requests is answered. Before that, between
/// requests, and while it is being closed, it *waits*. A limit applies only to connections that
/// hold a place, so silent connections never use it up. The number of waiting connections is
/// limited, too. When it is reached, the address with the most waiting connections loses its oldest
/// one. So one address can't keep others out with silent connections.
///
/// Each of these steps takes one short lock. The message path takes none.
final class Admission: Sendable {
    /// The ladder of refusals. It is the same for the limit of all connections and for that of one
    /// address. The headroom is an eighth of the limit, between 1 and 1,024 (``Headroom``).
    enum Verdict: UInt8, Sendable, Comparable {
        /// Fewer connections than the limit hold a place: the connection is served.
        case admitted
        /// As many connections as the limit hold a place, and no more are open than the limit and
        /// its headroom: requests are answered, and a WebSocket is opened only to be closed
        /// with 1008.
        case overLimit
        /// More are open than the limit and its headroom, or the server is overloaded: each request
        /// is answered 503 with `Retry-After`, that for a WebSocket too.
        case overHeadroom
        /// More would be open than the limit and twice its headroom, or descriptors run short: the
        /// connection is closed when it is accepted, or when the PROXY protocol has named its
        /// client. For the limit of all connections, this happens only if no other connection can
        /// be evicted. A request that arrives nevertheless is answered 503.
        case noRoom

        static func < (a: Verdict, b: Verdict) -> Bool { a.rawValue < b.rawValue }
    }

    /// The decision about a new connection.
    struct Entry {
        /// ``Verdict/admitted`` or ``Verdict/noRoom``; requests are judged when they arrive.
        let verdict: Verdict
        /// The key that the connection is counted for.
        let key: UInt64?
        /// The connection that is evicted for the new one. It isn't counted any more; the caller
        /// has to call its ``AdmissionMember/evict()``.
        let evicted: (any AdmissionMember)?
    }

    private let isOverloaded: @Sendable () -> Bool
    private let state: Mutex<AdmissionState>

    /// - Parameter isOverloaded: Whether no new request should be served for now; called for each
    ///   connection and request, on any thread.
    init(
        max: Int, perAddressMax: Int?, proxies: ProxyConfiguration = ProxyConfiguration(),
        isOverloaded: @escaping @Sendable () -> Bool = { false }
    ) {
        self.isOverloaded = isOverloaded
        state = Mutex(AdmissionState(max: max, perAddressMax: perAddressMax, proxies: proxies))
    }

    /// Takes over the limits of another configuration. Connections that exceed a lowered limit
    /// stay, and count for the address for which they were counted before.
    func update(max: Int, perAddressMax: Int?, proxies: ProxyConfiguration) {
        state.withLock { state in
            state.max = min(max, state.descriptorMax)
            state.perAddressMax = perAddressMax
            state.proxies = proxies
        }
    }

    /// The limit of all connections.
    var max: Int { state.withLock { $0.max } }

    /// Lowers the limit of all connections to what `count` descriptors allow, and returns it.
    func fit(descriptors count: Int) -> Int {
        state.withLock { state in
            state.descriptorMax = Headroom.limit(forDescriptors: count)
            state.max = min(state.max, state.descriptorMax)
            return state.max
        }
    }

    // MARK: - The steps of a connection

    /// Counts a new connection in, unless there is no room; ``wait(_:as:)`` is to follow at once.
    ///
    /// - Parameter isShort: Descriptors run short. Then the connection is refused, and another one
    ///   is evicted, so that there is room for the next.
    func enter(_ peer: SocketAddress, isShort: Bool = false) -> Entry {
        let isOverloaded = self.isOverloaded()
        return state.withLock {
            $0.enter($0.keyOfNewcomer(peer), isOverloaded: isOverloaded, isShort: isShort)
        }
    }

    /// Makes a connection wait: for its first or next request, or for its end.
    ///
    /// - Parameters:
    ///   - address: The address for which it is counted from this call on; `nil` leaves it
    ///     unchanged.
    ///   - entry: The entry of a new connection.
    func wait(
        _ member: some AdmissionMember, as address: SocketAddress? = nil, entry: Entry? = nil
    ) {
        let peer = member.peer
        let place = member.place
        member.place = state.withLock { state in
            let new = address.map { state.key(of: $0) }
            switch place {
            case .none:
                return state.add(member, entry.map(\.key) ?? state.keyOfNewcomer(peer))
            case .held(let isCounted):
                let old = isCounted ? peer.clientKey : nil
                return state.release(member, from: old, to: new ?? old)
            case .waiting(let slot):
                return new.map { state.move(member, at: slot, to: $0) } ?? place
            }
        }
        if let address { member.peer = address }
    }

    /// Judges a request that has begun to arrive.
    ///
    /// - Parameter client: The client that a proxy sends the request for; the connection is counted
    ///   for its address from now on. `nil` changes nothing.
    func judge(_ member: some AdmissionMember, for client: SocketAddress? = nil) -> Verdict {
        let isOverloaded = self.isOverloaded()
        if case .waiting = member.place, let client { wait(member, as: client) }
        guard case .waiting(let slot) = member.place else { return .noRoom }
        let verdict = state.withLock { $0.judge(member, at: slot) }
        return isOverloaded ? Swift.max(verdict, .overHeadroom) : verdict
    }

    /// Gives a waiting connection a place to hold. Returns false if none is left, or if the
    /// connection has been evicted.
    func hold(_ member: some AdmissionMember) -> Bool {
        switch member.place {
        case .none: return false
        case .held: return true
        case .waiting(let slot):
            guard let place = state.withLock({ $0.hold(member, at: slot) }) else { return false }
            member.place = place
            return true
        }
    }

    /// Counts a connection out.
    func leave(_ member: some AdmissionMember) {
        switch member.place {
        case .none: return
        case .held(let isCounted):
            let key = isCounted ? member.peer.clientKey : nil
            state.withLock { $0.leave(heldBy: key) }
        case .waiting(let slot): state.withLock { $0.leave(member, at: slot) }
        }
        member.place = .none
    }

    /// The current counts: open connections, those of them that wait, and their addresses.
    var current: (total: Int, waiting: Int, addresses: Int) {
        state.withLock { ($0.all.open, $0.waiting.count, $0.addresses.count) }
    }
}

/// A connection, for ``Admission``. Both properties are for the connection's loop.
protocol AdmissionMember: AnyObject, Sendable {
    var place: Place { get set }
    var peer: SocketAddress { get set }
    /// Closes the connection, which has lost its place to another; any thread.
    func evict()
}

/// The place of a connection among all connections.
enum Place: Sendable, Equatable {
    /// It isn't counted.
    case none
    /// It may be evicted. It has been if another connection has its slot.
    case waiting(slot: Int32)
    /// It is in use. It is counted for its address, unless that is one of a trusted proxy.
    case held(isCounted: Bool)
}
