import Glibc
import Synchronization

/// So many attempts a minute for each name, and a burst of as many: a token bucket each, kept as the
/// time at which it will be full again. Time is handed in, never read.
final class RateLimiter: Sendable {
    /// Names that are remembered; one more shares a bucket with all others that are too many.
    static let namesMax = 10_000

    /// Seconds that an attempt costs, and that a whole bucket is worth.
    private let cost: Double
    private let worth = 60.0
    private let state = Mutex(RateLimiterState())

    init(perMinute: Int) { cost = 60 / Double(perMinute) }

    /// Counts an attempt: `nil` if it may go on, else the seconds until one may.
    func attempt(by name: String, at now: Double) -> Double? {
        state.withLock { state in
            var fullAt = max(state.fullAt(name, now: now), now)
            let wait = fullAt + cost - now - worth
            // Sixty times a sixtieth is not always one.
            if wait > 1e-6 { return wait }
            fullAt += cost
            state.set(name, fullAt)
            return nil
        }
    }

    /// Names remembered now.
    var count: Int { state.withLock { $0.count } }

    /// What an address counts as: itself, or the /64 of an IPv6 address, of which one has them all.
    static func name(ofAddress address: String) -> String {
        var bytes = in6_addr()
        let plain = String(address.prefix { $0 != "%" })
        guard inet_pton(AF_INET6, plain, &bytes) == 1 else { return address }
        return withUnsafeBytes(of: &bytes) { bytes in
            // An IPv4 address in disguise is one of many, not one's own network.
            let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 255
            return (isMapped ? bytes[...] : bytes[..<8]).map { String($0, radix: 16) }
                .joined(separator: ":")
        }
    }
}

/// What a ``RateLimiter`` guards; not nested in it, which Swift 6.3 miscompiles.
struct RateLimiterState {
    private var times: [String: Double] = [:]
    private var ofOthers = 0.0
    private var sweptAt = 0.0

    var count: Int { times.count }

    mutating func fullAt(_ name: String, now: Double) -> Double {
        if let time = times[name] { return time }
        // Once a second at most, or ever new names would have the whole table walked each time.
        if times.count >= RateLimiter.namesMax, now >= sweptAt + 1 {
            times = times.filter { $0.value > now }
            sweptAt = now
        }
        return times.count < RateLimiter.namesMax ? now : ofOthers
    }

    mutating func set(_ name: String, _ time: Double) {
        if times[name] != nil || times.count < RateLimiter.namesMax {
            times[name] = time
        } else {
            ofOthers = time
        }
    }
}
