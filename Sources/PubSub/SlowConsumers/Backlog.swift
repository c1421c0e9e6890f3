import HTTPProtocol
package import WebSocketProtocol

/// A publication that waits for some of a loop's subscribers: one object for all of them.
package final class WaitingPublication {
    package let publication: Publication
    package let policy: SlowSubscriberPolicy
    /// The compression level, 1…9.
    package let level: Int
    /// The standalone frame, once the first of the subscribers has been sent it.
    package var standaloneFrame: SharedFrame?

    package init(_ publication: Publication, policy: SlowSubscriberPolicy, level: Int = 1) {
        self.publication = publication
        self.policy = policy
        self.level = level
    }
}

/// The queue of a subscriber whose outbox is not empty, in order and not encoded yet: publications,
/// which their topics' policies may drop, and messages of its own, which are never dropped.
@usableFromInline
package struct Backlog {
    package enum Item {
        case publication(WaitingPublication)
        case own([UInt8], MessageKind, compresses: Bool)

        /// The bytes that it takes, with its place in the queue, approximately.
        package var size: Int {
            switch self {
            case .publication(let waiting): unsafe waiting.publication.frame.count + Self.overhead
            case .own(let bytes, _, _): bytes.count + Self.overhead
            }
        }

        /// Whether it may be dropped rather than the subscriber be disconnected.
        var mayBeDropped: Bool {
            if case .publication(let waiting) = self {
                waiting.policy != .disconnect
            } else {
                false
            }
        }

        var isPublication: Bool {
            if case .publication = self { true } else { false }
        }

        /// The bytes counted for each item besides its payload. Without them, a mebibyte of the
        /// smallest messages would take thirty.
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

    /// The items; those that were taken or dropped are `nil`, as are all before `first`.
    private var items: [Item?] = []
    private var first = 0
    /// The number of items that have been cut off the front. The item at `index` has the number
    /// `cut + index`, which never changes.
    private var cut = 0
    /// The number of the publication that waits for each subject, on topics that conflate.
    private var latest: [Subject: Int] = [:]
    /// The number below which nothing may be dropped.
    private var dropFrom = 0
    @usableFromInline package private(set) var count = 0
    /// The number of publications among the items.
    package private(set) var publicationCount = 0
    /// The bytes of all items.
    package private(set) var size = 0

    @inlinable package var isEmpty: Bool { count == 0 }

    /// Adds an item at the end. On a topic that conflates, the item replaces the waiting
    /// publication of the same subject, if any. Returns the size of the replaced one, otherwise
    /// `nil`.
    mutating func append(_ item: Item) -> Int? {
        var replaced: Int?
        if case .publication(let waiting) = item, waiting.policy == .conflate {
            let subject = Subject(waiting.publication)
            if let number = latest[subject] { replaced = take(number - cut)?.size }
            latest[subject] = cut + items.count
        }
        if item.isPublication { publicationCount += 1 }
        items.append(item)
        count += 1
        size += item.size
        return replaced
    }

    /// Removes and returns the oldest item.
    mutating func takeFirst() -> Item? {
        first < items.count ? take(first) : nil
    }

    /// Drops the oldest publication that may be dropped. Returns its size, or `nil` if there is
    /// none. Looks only once at items that may not be dropped.
    mutating func dropOldest() -> Int? {
        for index in max(first, dropFrom - cut)..<items.count
        where items[index]?.mayBeDropped == true {
            dropFrom = cut + index
            return take(index)?.size
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
