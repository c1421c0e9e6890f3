import Synchronization

/// What the loops of a fan-out share: when each publication was sent, and who has it still to get.
///
/// Every subscriber gets all publications in one order, so its n-th message is the n-th one.
// Safety: a slot is written before its publication is sent and read by those that received it;
// between the two lies the server.
@safe
final class Fanout: @unchecked Sendable {
    private let stamps: UnsafeMutablePointer<UInt64>
    private let mask: Int
    /// Loops that have still to deliver, of each publication under way.
    private let waiting: [Pending]
    private let loops: Int
    /// Publications begun; on the publishers' loop.
    private(set) var published = 0

    private final class Pending: Sendable { let loops = Atomic<Int>(0) }

    init(inFlight: Int, loops: Int) {
        var capacity = 16
        while capacity < 2 * inFlight { capacity *= 2 }
        mask = capacity - 1
        self.loops = loops
        unsafe stamps = .allocate(capacity: capacity)
        unsafe stamps.initialize(repeating: 0, count: capacity)
        waiting = (0..<capacity).map { _ in Pending() }
    }

    deinit { unsafe stamps.deallocate() }

    var capacity: Int { mask + 1 }

    /// Notes that the next publication is about to be sent.
    func begin(now: UInt64) {
        unsafe stamps[published & mask] = now
        waiting[published & mask].loops.store(loops, ordering: .relaxed)
        published += 1
    }

    @inline(__always)
    func sentAt(_ number: Int) -> UInt64 { unsafe stamps[number & mask] }

    /// All subscribers of a loop have it; true for the last of the loops.
    func delivered(_ number: Int) -> Bool {
        waiting[number & mask].loops.subtract(1, ordering: .relaxed).newValue == 0
    }
}
