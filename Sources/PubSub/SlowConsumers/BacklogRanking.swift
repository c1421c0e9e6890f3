/// A loop's subscribers that have a backlog, ranked by its size's power of two: the largest backlog
/// is found without a look at all of them.
struct BacklogRanking {
    /// The number of subscribers that are compared among those within a factor of two of the
    /// largest backlog.
    private static let comparedMax = 64

    /// The subscribers, by the number of significant bits of their backlogs' sizes. Those without a
    /// backlog are not listed.
    private var ranks = [[Subscriber]](repeating: [], count: Int.bitWidth)

    var count: Int { ranks.reduce(0) { $0 + $1.count } }

    /// Moves a subscriber to the rank of its backlog's size, which has changed. Takes constant
    /// time.
    mutating func update(_ subscriber: Subscriber) {
        let size = subscriber.backlog.size
        let (old, rank) = (Int(subscriber.rank), Int.bitWidth - size.leadingZeroBitCount)
        guard rank != old else { return }
        if old > 0 {
            // Lists are dense: the last subscriber moves to the place that becomes free.
            let last = ranks[old].removeLast()
            if last !== subscriber {
                ranks[old][Int(subscriber.placeInRank)] = last
                last.placeInRank = subscriber.placeInRank
            }
        }
        if rank > 0 {
            subscriber.placeInRank = Int32(ranks[rank].count)
            ranks[rank].append(subscriber)
        }
        subscriber.rank = UInt8(rank)
    }

    /// Returns the subscriber with the largest backlog, if that is larger than this one's. Where
    /// many are about as large, its backlog is at least half of the largest. Looks at 64 ranks and
    /// 64 subscribers at most.
    func slower(than subscriber: Subscriber) -> Subscriber? {
        guard let top = ranks.last(where: { !$0.isEmpty }) else { return nil }
        var slowest = subscriber
        for other in top.suffix(Self.comparedMax)
        where other.backlog.size > slowest.backlog.size {
            slowest = other
        }
        return slowest === subscriber ? nil : slowest
    }
}
