/// The bytes that may wait for all slow consumers of a server together.
package protocol BacklogBudget: AnyObject {
    /// Whether no more is used than there is.
    var hasRoom: Bool { get }
    /// Adds bytes to the used ones, even beyond the limit.
    func add(_ count: Int)
    /// Gives bytes back.
    func give(_ count: Int)
}

/// A loop's slow consumers: their backlogs, and the choice of those that must be disconnected.
///
/// Each subscriber has a limit for its backlog and outbox together, and all subscribers of a server
/// share a budget. When the budget is spent, the loop's consumer with the largest backlog pays
/// first: its oldest publications are dropped if their topics' policies allow it, and otherwise it
/// is disconnected. A connection's own messages count, but need no room in the budget. Without a
/// publication before them, they would be in its outbox, which the backlogs of others don't limit.
@usableFromInline
package final class SlowConsumers {
    /// The fate of an item.
    package enum Outcome {
        case queued
        /// It was dropped, as its topic's policy allows.
        case dropped
        /// It is lost: the subscriber must be disconnected.
        case disconnect
    }

    /// The state of a connection's outbox.
    @usableFromInline
    package struct Outbox {
        /// The bytes that it holds.
        @usableFromInline package var count: Int
        /// The bytes that it and the backlog may hold. One message always fits.
        @usableFromInline package var max: Int
        @usableFromInline package var highWater: Int

        @inlinable package var isAboveHighWater: Bool { count > highWater }

        @inlinable
        package init(count: Int, max: Int, highWater: Int) {
            (self.count, self.max, self.highWater) = (count, max, highWater)
        }
    }

    private let budget: any BacklogBudget
    private var ranking = BacklogRanking()
    /// The counts of publications; see ``TopicCounts``.
    package private(set) var delayed: UInt64 = 0
    package private(set) var dropped: UInt64 = 0
    package private(set) var conflated: UInt64 = 0

    package init(budget: any BacklogBudget) { self.budget = budget }

    /// The number of subscribers with a backlog.
    package var count: Int { ranking.count }

    /// Whether the shared budget has room.
    package var hasRoom: Bool { budget.hasRoom }

    // MARK: - Backlogs

    /// Queues an item at the end of a subscriber's backlog.
    ///
    /// Drops the subscriber's oldest waiting publications beyond its own limit, or if the shared
    /// budget is spent and no other consumer of the loop is slower.
    ///
    /// - Parameter evict: Disconnects a slower consumer, and ends with ``forget(_:andOutbox:)``.
    package func queue(
        _ item: Backlog.Item, for subscriber: Subscriber, outbox: Outbox,
        evict: (Subscriber) -> Void
    ) -> Outcome {
        var isFull: Bool { outbox.count + subscriber.backlog.size > outbox.max }
        var needsRoom: Bool { item.isPublication && !budget.hasRoom }
        if needsRoom, !isFull { makeRoom(before: subscriber, evict) }
        while isFull || needsRoom {
            if dropOldest(of: subscriber) { continue }
            guard item.mayBeDropped else { return .disconnect }
            dropped &+= 1
            return .dropped
        }
        budget.add(item.size)
        if let replaced = subscriber.backlog.append(item) {
            budget.give(replaced)
            conflated &+= 1
        } else if item.isPublication {
            delayed &+= 1
        }
        ranking.update(subscriber)
        return .queued
    }

    /// Removes and returns the oldest item that waits for a subscriber.
    package func takeFirst(of subscriber: Subscriber) -> Backlog.Item? {
        guard let item = subscriber.backlog.takeFirst() else { return nil }
        budget.give(item.size)
        ranking.update(subscriber)
        return item
    }

    /// Discards the backlog of a subscriber that is sent nothing more.
    ///
    /// - Parameter andOutbox: Whether its outbox is discarded as well.
    package func forget(_ subscriber: Subscriber, andOutbox: Bool) {
        budget.give(subscriber.backlog.size)
        subscriber.backlog = Backlog()
        ranking.update(subscriber)
        guard andOutbox else { return }
        budget.give(subscriber.outboxShare)
        subscriber.outboxShare = 0
    }

    /// Makes room in the budget at the expense of the loop's slowest consumer, if that isn't this
    /// subscriber. Drops its publications if that is allowed, or else disconnects it. Takes from
    /// one consumer only: another loop may hold most of the budget, and evicting all of this loop's
    /// consumers would not help.
    private func makeRoom(before subscriber: Subscriber, _ evict: (Subscriber) -> Void) {
        guard let slower = ranking.slower(than: subscriber) else { return }
        while !budget.hasRoom {
            if dropOldest(of: slower) { continue }
            if slower.backlog.publicationCount > 0 { evict(slower) }
            return
        }
    }

    /// Drops the oldest publication that may be dropped. Returns false if there is none.
    private func dropOldest(of subscriber: Subscriber) -> Bool {
        guard let size = subscriber.backlog.dropOldest() else { return false }
        budget.give(size)
        dropped &+= 1
        ranking.update(subscriber)
        return true
    }

    // MARK: - Outboxes

    /// Charges the shared budget for the bytes of publications that the kernel did not take for a
    /// subscriber. Its outbox was empty before, and none of these bytes can be dropped.
    ///
    /// If the budget was used up before, even after a slower consumer has paid, the subscriber must
    /// be disconnected if more than the high-water mark is left.
    ///
    /// - Returns: ``Outcome/queued`` or ``Outcome/disconnect``.
    package func chargeUnsent(
        of subscriber: Subscriber, outbox: Outbox, evict: (Subscriber) -> Void
    ) -> Outcome {
        if !budget.hasRoom { makeRoom(before: subscriber, evict) }
        let hadRoom = budget.hasRoom
        updateOutboxShare(of: subscriber, outboxCount: outbox.count, added: outbox.count)
        return hadRoom || subscriber.outboxShare <= outbox.highWater ? .queued : .disconnect
    }

    /// Updates a subscriber's share of the budget, after `added` bytes of publications went into
    /// its outbox or some bytes left it.
    package func updateOutboxShare(of subscriber: Subscriber, outboxCount: Int, added: Int = 0) {
        let share = min(subscriber.outboxShare + added, outboxCount)
        budget.add(share - subscriber.outboxShare)
        subscriber.outboxShare = share
    }
}
