/// A connection's part in topics: its subscriptions, how publications are encoded for it, and the
/// items that wait for it.
///
/// This module knows nothing of connections. It keeps the owner's address, and the module that made
/// the subscriber gets the owner back by ``withOwner(_:_:)``.
// Safety: the owner owns its subscriber, and ends all subscriptions before it is freed.
@safe
@usableFromInline
package final class Subscriber {
    package struct Membership {
        package let topic: Topic
        /// The position in the topic's list.
        var place: Int32
    }

    /// The owner's address: the connection, or `nil` in tests that need none.
    @usableFromInline let owner: UnsafeMutableRawPointer?
    package internal(set) var memberships: [Membership] = []
    @usableFromInline package let mode: EncodingMode
    /// The position in ``BacklogRanking``; a subscriber of rank 0 is not listed.
    var rank: UInt8 = 0
    var placeInRank: Int32 = 0
    /// The payload size in bytes below which messages are not compressed; for
    /// ``EncodingMode/standalone``.
    @usableFromInline package let threshold: Int
    /// The window bits of the peer's inflater; for ``EncodingMode/standalone``.
    @usableFromInline package let windowBits: Int
    /// The compression level that its route asks for, 1…9.
    package let level: Int
    /// The bytes of publications in the outbox, at most; counted by ``SlowConsumers``.
    package internal(set) var outboxShare = 0

    // Each delivery reads these. Inlined accessors leave out the checks for exclusive access.

    @exclusivity(unchecked) @usableFromInline var storedContext: SharedContext?
    @exclusivity(unchecked) @usableFromInline var storedBacklog = Backlog()
    @exclusivity(unchecked) @usableFromInline var storedPending = PendingFrames.none

    /// The known content of the peer's inflater; for ``EncodingMode/shared``.
    @inlinable @inline(__always)
    package var context: SharedContext? {
        get { unsafe storedContext }
        set { unsafe storedContext = newValue }
    }

    /// The items that wait for the outbox to become empty; changed by ``SlowConsumers``.
    package internal(set) var backlog: Backlog {
        get { unsafe storedBacklog }
        _modify { yield unsafe &storedBacklog }
    }

    @inlinable @inline(__always)
    package var hasBacklog: Bool { unsafe !storedBacklog.isEmpty }

    /// The frames that the ``FrameBatch`` at hand holds for it.
    @inlinable @inline(__always)
    package internal(set) var pending: PendingFrames {
        get { unsafe storedPending }
        set { unsafe storedPending = newValue }
    }

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

    /// Calls `body` with the owner, which must be of this type. Doesn't retain it, which would cost
    /// an atomic operation for each delivery.
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
