import CLibSSL
import Glibc
import Synchronization

/// A key that encrypts session tickets (RFC 5077 §4).
struct TicketKey: Sendable, Equatable {
    /// The public name of the key, which its tickets begin with.
    let name: [UInt8]
    let cipherKey: [UInt8]
    let macKey: [UInt8]
    /// The second at which the key was made.
    let created: Int

    /// Makes a key of 80 random bytes.
    init(random: [UInt8], created: Int) {
        precondition(random.count == Self.randomCount)
        name = Array(random[..<16])
        cipherKey = Array(random[16..<48])
        macKey = Array(random[48...])
        self.created = created
    }

    static let randomCount = 80
}

/// The keys of session tickets, the newest first. The time is a parameter, in seconds.
struct TicketKeyRing {
    /// The time for which a key encrypts new tickets. Whoever steals it later can read only the
    /// tickets of that time.
    static let rotation = 12 * 3_600
    /// The time for which the tickets of a key are accepted: that of the last ticket included.
    static let lifetime = 2 * rotation

    private(set) var keys: [TicketKey] = []

    /// Returns the key for new tickets. Asks for random bytes if a new key is due.
    mutating func current(now: Int, random: () -> [UInt8]?) -> TicketKey? {
        if let newest = keys.first, newest.created + Self.rotation > now { return newest }
        guard let bytes = random() else { return nil }
        keys.removeAll { $0.created + Self.lifetime <= now }
        let key = TicketKey(random: bytes, created: now)
        keys.insert(key, at: 0)
        return key
    }

    /// Returns the key that a ticket names, and whether the ticket should be renewed; `nil` if the
    /// key is unknown or too old.
    func find(_ name: some Sequence<UInt8>, now: Int) -> (key: TicketKey, isOld: Bool)? {
        guard
            let key = keys.first(where: { $0.name.elementsEqual(name) }),
            key.created + Self.lifetime > now
        else { return nil }
        return (key, key.created + Self.rotation <= now)
    }
}

/// The keys of session tickets of a server; any thread.
package final class TicketKeys: Sendable {
    private let ring = Mutex(TicketKeyRing())

    package init() {}

    private static func random() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: TicketKey.randomCount)
        return unsafe RAND_bytes(&bytes, Int32(bytes.count)) == 1 ? bytes : nil
    }

    /// The seconds of a clock that is never set, so that keys can't come back to life.
    private static var now: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return time.tv_sec
    }

    func current() -> TicketKey? {
        ring.withLock { $0.current(now: Self.now, random: Self.random) }
    }

    func find(_ name: some Sequence<UInt8>) -> (key: TicketKey, isOld: Bool)? {
        ring.withLock { $0.find(name, now: Self.now) }
    }
}
