import Glibc
import HTTPProtocol
import Synchronization

/// So many attempts a minute for each name, and a burst of as many: a token bucket each, kept as
/// the time at which it will be full again. Time is handed in, never read.
///
/// Memory is the same however many names there are: new names push out those that tried least, so
/// that made-up ones take no one's attempts, and give none back to who has used up its own.
final class RateLimiter: Sendable {
    /// Seconds that an attempt costs, and that a whole bucket is worth.
    private let cost: Double
    private let worth = 60.0
    /// Of this limiter alone: no one can choose names that push out a certain other.
    private let seed = UInt64.random(in: .min ... .max)
    private let state = Mutex(RateLimiterState())

    init(perMinute: Int) { cost = 60 / Double(perMinute) }

    /// Counts an attempt: `nil` if it may go on, else the seconds until one may.
    func attempt(by name: ExactString, at now: Double) -> Double? {
        var hasher = Hasher()
        hasher.combine(seed)
        hasher.combine(name)
        let key = hasher.finalize()
        return state.withLock { state in
            let slot = state.slot(of: key)
            let fullAt = max(state[slot].key == key ? state[slot].fullAt : now, now)
            let wait = fullAt + cost - now - worth
            // Sixty times a sixtieth is not always one.
            if wait > 1e-6 { return wait }
            state[slot] = RateLimiterBucket(key: key, fullAt: fullAt + cost)
            return nil
        }
    }

    /// Buckets that take up memory: none before the first attempt.
    var bucketCount: Int { state.withLock { $0.bucketCount } }

    /// What an address counts as: itself, or the /64 of an IPv6 address, of which one has them all.
    static func name(ofAddress address: String) -> String {
        var bytes = in6_addr()
        let plain = String(decoding: address.utf8.prefix { $0 != UInt8(ascii: "%") }, as: UTF8.self)
        // Safety: an address of IPv6 has 16 bytes, which `inet_pton` writes and the closure reads.
        guard unsafe inet_pton(AF_INET6, plain, &bytes) == 1 else { return address }
        return unsafe withUnsafeBytes(of: &bytes) { bytes in
            // An IPv4 address in disguise is one of many, not one's own network.
            let isMapped = unsafe bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 255
            return unsafe (isMapped ? bytes[...] : bytes[..<8]).map { String($0, radix: 16) }
                .joined(separator: ":")
        }
    }
}

/// A name, as its hash, and when its bucket will be full again.
struct RateLimiterBucket {
    var key = 0
    var fullAt = -Double.infinity
}

/// What a ``RateLimiter`` guards: a hash table of sets, in each of which a name has any place; not
/// nested in it, which Swift 6.3 miscompiles.
struct RateLimiterState {
    private static let setCount = 2_048
    private static let setSize = 8

    private var buckets: [RateLimiterBucket] = []

    var bucketCount: Int { buckets.count }

    subscript(slot: Int) -> RateLimiterBucket {
        get { buckets[slot] }
        set { buckets[slot] = newValue }
    }

    /// Where a name's bucket is, or the one to be given up for it: that which is full the soonest.
    mutating func slot(of key: Int) -> Int {
        if buckets.isEmpty {
            buckets = Array(repeating: RateLimiterBucket(), count: Self.setCount * Self.setSize)
        }
        let first = Int(UInt(bitPattern: key) % UInt(Self.setCount)) * Self.setSize
        let set = first..<first + Self.setSize
        return set.first { buckets[$0].key == key }
            ?? set.min { buckets[$0].fullAt < buckets[$1].fullAt }!
    }
}
