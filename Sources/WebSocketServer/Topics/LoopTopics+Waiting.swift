import UVTransport

/// What waits for slow subscribers, and their ends.
extension LoopTopics {
    /// Queues something behind what a slow subscriber has not taken yet. Past the limit the oldest
    /// publications go that may, or else the subscriber; false then.
    @discardableResult
    func wait(_ item: Backlog.Item, for subscriber: Subscriber) -> Bool {
        let connection = subscriber.connection
        // What was queued before counts, so one message always fits.
        while unsafe connection.outboxCount + subscriber.backlog.size
            > connection.options.outboxMax || !budget.hasRoom
        {
            if let dropped = unsafe subscriber.backlog.dropOldest() {
                budget.give(dropped)
                unsafe counts.dropped &+= 1
            } else if case .publication(_, let policy) = item, policy != .disconnect {
                unsafe counts.dropped &+= 1
                return true
            } else {
                connection.dropSlowConsumer()
                return false
            }
        }
        budget.add(item.size)
        if let replaced = unsafe subscriber.backlog.append(item) {
            budget.give(replaced)
            unsafe counts.conflated &+= 1
        } else if case .publication = item {
            unsafe counts.delayed &+= 1
        }
        return true
    }

    /// Sends what waits, until the outbox is above its high water mark again, or all of it.
    func resume(_ subscriber: Subscriber, all: Bool = false) {
        let connection = subscriber.connection
        while unsafe all || connection.outboxCount <= connection.options.outboxHighWater,
            let item = unsafe subscriber.backlog.takeFirst()
        {
            budget.give(item.size)
            switch item {
            case .own(let bytes, let kind, let compresses):
                unsafe bytes.withUnsafeBytes {
                    _ = unsafe connection.sendNow($0, kind, compresses: compresses)
                }
            case .publication(let publication, _) where subscriber.mode == .own:
                _ = unsafe connection.sendNow(
                    publication.payload, publication.kind, compresses: true)
            case .publication(let publication, _):
                encodings.begin(publication)
                let frame = unsafe encode(publication, for: subscriber, shares: false)
                unsafe counts.deliveries &+= 1
                unsafe connection.sendFrame(frame, payloadCount: publication.payloadCount)
                encodings.end()
                unsafe frames.removeAll(keepingCapacity: true)
            }
        }
    }
}
