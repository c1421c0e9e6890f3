/// What a connection that subscribes to topics holds for them.
///
/// This module knows nothing of connections: it keeps the owner's address, and those who made the
/// subscriber get the owner back by ``withOwner(_:_:)``.
// Safety: the owner owns its subscriber, and ends all subscriptions before it is freed.
@safe
package final class Subscriber {
    package struct Membership {
        package let topic: Topic
        /// Position in the topic's list.
        var place: Int32
    }

    /// The owner's address: the connection, or `nil` in tests that need none.
    @usableFromInline let owner: UnsafeMutableRawPointer?
    @exclusivity(unchecked) package internal(set) var memberships: [Membership] = []
    package let mode: EncodingMode
    /// Position in ``BacklogRanking``; it is listed nowhere in rank 0.
    var rank: UInt8 = 0
    var placeInRank: Int32 = 0
    /// For ``EncodingMode/standalone``: payloads smaller than this are sent plain; bytes.
    package let threshold: Int
    /// For ``EncodingMode/standalone``: the window bits of the peer's inflater.
    package let windowBits: Int
    /// The compression level that its route asks for, 1…9.
    package let level: Int
    /// For ``EncodingMode/shared``: what the peer's inflater is known to hold.
    @exclusivity(unchecked) package var context: SharedContext?
    /// What waits until the outbox is empty.
    @exclusivity(unchecked) package var backlog = Backlog()
    /// Bytes of publications in the outbox, at most.
    @exclusivity(unchecked) package var outboxShare = 0
    /// First and last of its frames of this turn, in ``LoopTopics``; -1: none.
    @exclusivity(unchecked) package var firstPending: Int32 = -1
    @exclusivity(unchecked) package var lastPending: Int32 = -1
    /// Bytes of those.
    @exclusivity(unchecked) package var pendingSize = 0

    package init(
        owner: AnyObject?, mode: EncodingMode, threshold: Int = 0, windowBits: Int = 15,
        level: Int = 1
    ) {
        unsafe self.owner = unsafe owner.map { unsafe Unmanaged.passUnretained($0).toOpaque() }
        self.mode = mode
        self.threshold = threshold
        self.windowBits = windowBits
        self.level = level
    }

    /// Calls `body` with the owner, which must be of this type, without retaining it: that counts
    /// where it happens once for each delivery.
    @inlinable @inline(__always)
    package func withOwner<Owner: AnyObject, Result>(
        _ type: Owner.Type, _ body: (Owner) -> Result
    ) -> Result {
        // Safety: a loop's subscribers all have owners of one type, see above.
        unsafe Unmanaged<Owner>.fromOpaque(owner.unsafelyUnwrapped)._withUnsafeGuaranteedRef(body)
    }

    /// The owner's address, for prefetching only.
    @inlinable @inline(__always)
    package var ownerAddress: UnsafeMutableRawPointer? { unsafe owner }

    /// Returns the position of a topic in ``memberships``.
    package func index(of topic: Topic) -> Int? {
        memberships.firstIndex { $0.topic === topic }
    }
}
