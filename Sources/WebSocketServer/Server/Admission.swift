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
    }

    private let max: Int
    private let perAddressMax: Int?
    private let counts = Mutex(AdmissionCounts())

    init(max: Int, perAddressMax: Int?) {
        self.max = max
        self.perAddressMax = perAddressMax
    }

    /// Connections above a limit that are still told so by 1008: an eighth of it, one at least.
    static func headroom(_ limit: Int) -> Int { Swift.max(1, limit / 8) }

    /// Counts a new connection in and judges it; ``leave(_:)`` counts it out again.
    func enter(_ peer: SocketAddress) -> Verdict {
        counts.withLock { counts in
            counts.total += 1
            let verdict = Self.judge(counts.total, max)
            guard let perAddressMax, let key = peer.clientKey else { return verdict }
            let sharing = counts.byAddress[key, default: 0] + 1
            counts.byAddress[key] = sharing
            let second = Self.judge(sharing, perAddressMax)
            return verdict.rawValue >= second.rawValue ? verdict : second
        }
    }

    private static func judge(_ count: Int, _ limit: Int) -> Verdict {
        count <= limit ? .admitted : count <= limit + headroom(limit) ? .overLimit : .overHeadroom
    }

    func leave(_ peer: SocketAddress) {
        counts.withLock { counts in
            counts.total -= 1
            guard perAddressMax != nil, let key = peer.clientKey else { return }
            let left = counts.byAddress[key, default: 0] - 1
            counts.byAddress[key] = left > 0 ? left : nil
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
