import Synchronization
import UVTransport

/// Counts connections against the limits, over all loops and for each address.
///
/// One short lock when a connection comes and one when it goes; nothing on the message path.
final class Admission: Sendable {
    /// What a new connection may do.
    enum Verdict: UInt8, Sendable {
        case admitted
        /// Over a limit: upgraded, told 1008, and let go.
        case overLimit
        /// Over the headroom above a limit too: answered 503.
        case overHeadroom

        func stricter(_ other: Verdict) -> Verdict { rawValue >= other.rawValue ? self : other }
    }

    /// What a connection may do by each of the limits.
    struct Judgement: Sendable {
        let ofAll: Verdict
        let ofAddress: Verdict

        /// The stricter of both.
        var verdict: Verdict { ofAll.stricter(ofAddress) }
    }

    private let max: Int
    private let perAddressMax: Int?
    private let proxies: ProxyOptions
    private let counts = Mutex(AdmissionCounts())

    init(max: Int, perAddressMax: Int?, proxies: ProxyOptions = ProxyOptions()) {
        self.max = max
        self.perAddressMax = perAddressMax
        self.proxies = proxies
    }

    /// Connections above a limit that are still told so by 1008: an eighth of it, one at least.
    static func headroom(_ limit: Int) -> Int { Swift.max(1, limit / 8) }

    /// Counts a new connection in and judges it; ``leave(_:)`` counts it out again.
    func enter(_ peer: SocketAddress) -> Judgement {
        counts.withLock { counts in
            counts.total += 1
            return Judgement(
                ofAll: Self.judge(counts.total, max), ofAddress: enter(peer, &counts))
        }
    }

    /// Counts a connection as another address's from here on, and judges that.
    func move(from old: SocketAddress, to new: SocketAddress) -> Verdict {
        guard perAddressMax != nil else { return .admitted }
        return counts.withLock { counts in
            leave(old, &counts)
            return enter(new, &counts)
        }
    }

    private func enter(_ peer: SocketAddress, _ counts: inout AdmissionCounts) -> Verdict {
        guard let perAddressMax, let key = key(of: peer) else { return .admitted }
        let sharing = counts.byAddress[key, default: 0] + 1
        counts.byAddress[key] = sharing
        return Self.judge(sharing, perAddressMax)
    }

    private func leave(_ peer: SocketAddress, _ counts: inout AdmissionCounts) {
        guard perAddressMax != nil, let key = key(of: peer) else { return }
        let left = counts.byAddress[key, default: 0] - 1
        counts.byAddress[key] = left > 0 ? left : nil
    }

    /// Proxies have the connections of many.
    private func key(of peer: SocketAddress) -> UInt64? {
        proxies.trusts(peer) ? nil : peer.clientKey
    }

    private static func judge(_ count: Int, _ limit: Int) -> Verdict {
        count <= limit ? .admitted : count <= limit + headroom(limit) ? .overLimit : .overHeadroom
    }

    func leave(_ peer: SocketAddress) {
        counts.withLock { counts in
            counts.total -= 1
            leave(peer, &counts)
        }
    }

    /// Connections counted now, and addresses that some of them come from.
    var current: (total: Int, addresses: Int) {
        counts.withLock { ($0.total, $0.byAddress.count) }
    }
}

/// What ``Admission`` counts; not nested in it, which Swift 6.3 miscompiles.
struct AdmissionCounts {
    var total = 0
    var byAddress: [UInt64: Int] = [:]
}
