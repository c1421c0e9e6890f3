import Synchronization

/// The shared state of a fan-out's loops: the send time of each publication, and the loops that
/// have not delivered it yet.
///
/// Every subscriber receives all publications in the same order, so its n-th message is the n-th
/// publication.
// Safety: a slot is written before its publication is sent, and read by the loops that received the
// publication. The way through the server lies in between.
@safe
final class Fanout: @unchecked Sendable {
    private let stamps: UnsafeMutablePointer<UInt64>
    private let mask: Int
    /// The number of loops that have not delivered each pending publication yet.
    private let waiting: [Pending]
    private let loops: Int
    /// The number of publications begun; for the publishers' loop.
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

    /// Records that the next publication is about to be sent.
    func begin(now: UInt64) {
        unsafe stamps[published & mask] = now
        waiting[published & mask].loops.store(loops, ordering: .relaxed)
        published += 1
    }

    @inline(__always)
    func sentAt(_ number: Int) -> UInt64 { unsafe stamps[number & mask] }

    /// Records that all subscribers of a loop have a publication. Returns true for the last loop.
    func delivered(_ number: Int) -> Bool {
        waiting[number & mask].loops.subtract(1, ordering: .relaxed).newValue == 0
    }
}
