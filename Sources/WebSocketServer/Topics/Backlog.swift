import HTTPProtocol
import WebSocketProtocol

/// A publication that waits for some of a loop's subscribers: one object for all of them.
final class WaitingPublication {
    let publication: Publication
    let policy: SlowSubscriberPolicy
    /// How hard it is compressed, 1…9.
    let level: Int
    /// The frame that stands alone, once the first of them has been sent it.
    var coldFrame: SharedFrame?

    init(_ publication: Publication, policy: SlowSubscriberPolicy, level: Int = 1) {
        self.publication = publication
        self.policy = policy
        self.level = level
    }
}

/// What waits for a subscriber whose outbox is not empty, in order, not encoded yet: publications,
/// which their topics' policies may drop, and its own messages, which nothing may.
struct Backlog {
    enum Item {
        case publication(WaitingPublication)
        case own([UInt8], MessageKind, compresses: Bool)

        /// The bytes that it takes, about, with its place in the queue.
        var size: Int {
            switch self {
            case .publication(let waiting): unsafe waiting.publication.frame.count + Self.overhead
            case .own(let bytes, _, _): bytes.count + Self.overhead
            }
        }

        /// Without it, a mebibyte of the smallest messages would take thirty.
        private static let overhead = 32
    }

    private struct Subject: Hashable {
        let topic: ExactString
        let key: ExactString?

        init(_ publication: Publication) {
            topic = ExactString(publication.topic)
            key = publication.key.map(ExactString.init(_:))
        }
    }

    /// Items that were taken or dropped are `nil`; those before `first` all are.
    private var items: [Item?] = []
    private var first = 0
    /// How many items have been cut off the front: what is at `index` has the number
    /// `cut + index`, which stays its own.
    private var cut = 0
    /// The number of the publication that waits for a subject, on topics that conflate.
    private var latest: [Subject: Int] = [:]
    /// The number below which nothing may be dropped.
    private var dropFrom = 0
    private(set) var count = 0
    /// Publications among them.
    private(set) var publicationCount = 0
    /// Bytes of all that wait.
    private(set) var size = 0

    var isEmpty: Bool { count == 0 }

    /// Adds an item behind all others. On a topic that conflates it takes the place of the
    /// publication of its subject, if one waits: the size of that one, else `nil`.
    mutating func append(_ item: Item) -> Int? {
        var replaced: Int?
        if case .publication(let waiting) = item, waiting.policy == .conflate {
            let subject = Subject(waiting.publication)
            if let number = latest[subject] { replaced = take(number - cut)?.size }
            latest[subject] = cut + items.count
        }
        if case .publication = item { publicationCount += 1 }
        items.append(item)
        count += 1
        size += item.size
        return replaced
    }

    /// The oldest, taken out.
    mutating func takeFirst() -> Item? {
        first < items.count ? take(first) : nil
    }

    /// Drops the oldest publication that may be; its size, or `nil` if there is none. What may not
    /// is looked at once only.
    mutating func dropOldest() -> Int? {
        for index in max(first, dropFrom - cut)..<items.count {
            if case .publication(let waiting) = items[index], waiting.policy != .disconnect {
                dropFrom = cut + index
                return take(index)?.size
            }
        }
        dropFrom = cut + items.count
        return nil
    }

    private mutating func take(_ index: Int) -> Item? {
        guard let item = items[index] else { return nil }
        items[index] = nil
        count -= 1
        size -= item.size
        if case .publication(let waiting) = item {
            publicationCount -= 1
            if waiting.policy == .conflate { latest[Subject(waiting.publication)] = nil }
        }
        while first < items.count, items[first] == nil { first += 1 }
        if first == items.count || first > 64 && first * 2 > items.count {
            items.removeFirst(first)
            cut += first
            first = 0
        }
        return item
    }
}
