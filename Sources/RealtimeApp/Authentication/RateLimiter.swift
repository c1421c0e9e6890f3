import Glibc
import HTTPProtocol
import Synchronization

/// A limiter of attempts per minute and name, with bursts of the same number. Each name has a token
/// bucket, stored as the time at which it will be full again. Time is a parameter.
///
/// The memory is constant, whatever the number of names. New names replace those with the fewest
/// attempts. So invented names take no attempts from others, and don't reset the bucket of a name
/// that has used up its attempts.
final class RateLimiter: Sendable {
    /// The seconds that an attempt costs, and the seconds of a full bucket.
    private let cost: Double
    private let worth = 60.0
    /// The random seed of this limiter's hash, so that nobody can choose names that replace a
    /// certain other.
    private let seed = UInt64.random(in: .min ... .max)
    private let state = Mutex(RateLimiterState())

    init(perMinute: Int) { cost = 60 / Double(perMinute) }

    /// Counts an attempt. Returns `nil` if it is allowed, otherwise the seconds until the next one
    /// is.
    func attempt(by name: ExactString, at now: Double) -> Double? {
        var hasher = Hasher()
        hasher.combine(seed)
        hasher.combine(name)
        let key = hasher.finalize()
        return state.withLock { state in
            let slot = state.slot(of: key)
            let fullAt = max(state[slot].key == key ? state[slot].fullAt : now, now)
            let wait = fullAt + cost - now - worth
            // In floating point, sixty times a sixtieth may differ from one.
            if wait > 1e-6 { return wait }
            state[slot] = RateLimiterBucket(key: key, fullAt: fullAt + cost)
            return nil
        }
    }

    /// The number of buckets in memory: none before the first attempt.
    var bucketCount: Int { state.withLock { $0.bucketCount } }

    /// Returns the name under which an address is counted: the address, or the /64 of an IPv6
    /// address, because a client usually has all of it.
    static func name(ofAddress address: String) -> String {
        var bytes = in6_addr()
        let plain = String(decoding: address.utf8.prefix { $0 != UInt8(ascii: "%") }, as: UTF8.self)
        // Safety: an IPv6 address has 16 bytes, which `inet_pton` writes and the closure reads.
        guard unsafe inet_pton(AF_INET6, plain, &bytes) == 1 else { return address }
        return unsafe withUnsafeBytes(of: &bytes) { bytes in
            // The mapped IPv4 addresses share a /64, but belong to different clients.
            let isMapped = unsafe bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 255
            return unsafe (isMapped ? bytes[...] : bytes[..<8]).map { String($0, radix: 16) }
                .joined(separator: ":")
        }
    }
}

/// A name, as its hash, and the time at which its bucket will be full again.
struct RateLimiterBucket {
    var key = 0
    var fullAt = -Double.infinity
}

/// The state that a ``RateLimiter`` guards: a hash table of sets, in which a name may have any
/// place. It isn't nested, because Swift 6.3 miscompiles that.
struct RateLimiterState {
    private static let setCount = 2_048
    private static let setSize = 8

    private var buckets: [RateLimiterBucket] = []

    var bucketCount: Int { buckets.count }

    subscript(slot: Int) -> RateLimiterBucket {
        get { buckets[slot] }
        set { buckets[slot] = newValue }
    }

    /// Returns the index of a name's bucket, or of the bucket that it replaces: the one that is
    /// full first.
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
