/// A loop's subscribers with a backlog, by its size's power of two: who has most waiting is found
/// without a look at all of them.
struct WaitingSubscribers {
    /// Of those within a factor of two of the most, how many are looked at.
    private static let lookedAtMax = 64

    /// By the significant bits of their backlogs' sizes; with none no one is listed.
    private var ranks = [[Subscriber]](repeating: [], count: Int.bitWidth)

    var count: Int { ranks.reduce(0) { $0 + $1.count } }

    /// Lists a subscriber where its backlog's size belongs; to be called when that has changed.
    /// O(1).
    mutating func update(_ subscriber: Subscriber) {
        let size = unsafe subscriber.backlog.size
        let (old, rank) = (Int(subscriber.waitingRank), Int.bitWidth - size.leadingZeroBitCount)
        guard rank != old else { return }
        if old > 0 {
            // Lists are dense: the last takes the place of the one that goes.
            let last = ranks[old].removeLast()
            if last !== subscriber {
                ranks[old][Int(subscriber.waitingPlace)] = last
                last.waitingPlace = subscriber.waitingPlace
            }
        }
        if rank > 0 {
            subscriber.waitingPlace = Int32(ranks[rank].count)
            ranks[rank].append(subscriber)
        }
        subscriber.waitingRank = UInt8(rank)
    }

    /// Who has most waiting, if that is more than a subscriber has: with many of about the same,
    /// one that has half of the most at least. It looks at 64 ranks and 64 subscribers at most.
    func slower(than subscriber: Subscriber) -> Subscriber? {
        guard let top = ranks.last(where: { !$0.isEmpty }) else { return nil }
        var most = subscriber
        for other in top.suffix(Self.lookedAtMax)
        where unsafe other.backlog.size > most.backlog.size {
            most = other
        }
        return most === subscriber ? nil : most
    }
}
