import UVTransport

/// What waits for slow subscribers, and their ends.
extension LoopTopics {
    /// Queues a publication of the batch at hand; false as below.
    @inline(never)
    @discardableResult
    func wait(_ publication: Publication, of topic: LoopTopic, for subscriber: Subscriber) -> Bool {
        let waiting: WaitingPublication
        if let made = unsafe waitingOfBatch[publication.id] {
            waiting = made
        } else {
            waiting = WaitingPublication(
                publication, policy: topic.policy, level: topic.level)
            unsafe waitingOfBatch[publication.id] = waiting
        }
        return wait(.publication(waiting), for: subscriber)
    }

    /// Queues something behind what a slow subscriber has not taken yet. Past its own limit the
    /// oldest of its publications go that may, or else the subscriber; false then. Past the limit of
    /// all publications that wait, the slowest of the loop pays first; where none is slower, it does
    /// itself. Its own messages count, but need no room there: without a publication before them
    /// they would be in its outbox, which others' backlogs don't limit.
    @discardableResult
    func wait(_ item: Backlog.Item, for subscriber: Subscriber) -> Bool {
        var needsRoom = false
        if case .publication = item { needsRoom = true }
        if needsRoom, !budget.hasRoom, !isFull(subscriber),
            let slower = unsafe waiting.slower(than: subscriber)
        {
            shed(slower)
        }
        while isFull(subscriber) || needsRoom && !budget.hasRoom {
            if dropOldest(of: subscriber) { continue }
            if case .publication(let waiting) = item, waiting.policy != .disconnect {
                unsafe counts.dropped &+= 1
                return true
            }
            subscriber.connection.dropSlowConsumer()
            return false
        }
        budget.add(item.size)
        if let replaced = unsafe subscriber.backlog.append(item) {
            budget.give(replaced)
            unsafe counts.conflated &+= 1
        } else if case .publication = item {
            unsafe counts.delayed &+= 1
        }
        unsafe waiting.update(subscriber)
        return true
    }

    /// Whether more waits for it than may. What was queued before counts, so one message always
    /// fits.
    private func isFull(_ subscriber: Subscriber) -> Bool {
        let connection = subscriber.connection
        return unsafe connection.outboxCount + subscriber.backlog.size
            > connection.options.outboxMax
    }

    /// Makes room of the publications that wait for a subscriber, as far as their topics' policies
    /// allow it, or else by its end. One for each item that doesn't fit: another loop may hold what it would take,
    /// and all of this one's would go for nothing.
    private func shed(_ subscriber: Subscriber) {
        while !budget.hasRoom {
            if dropOldest(of: subscriber) { continue }
            if unsafe subscriber.backlog.publicationCount > 0 {
                subscriber.connection.dropSlowConsumer()
            }
            return
        }
    }

    /// False if nothing waits that may be dropped.
    private func dropOldest(of subscriber: Subscriber) -> Bool {
        guard let size = unsafe subscriber.backlog.dropOldest() else { return false }
        budget.give(size)
        unsafe counts.dropped &+= 1
        unsafe waiting.update(subscriber)
        return true
    }

    /// Gives up what waits for a subscriber that is sent nothing more, and its outbox with that if
    /// it leaves no more.
    func forget(_ subscriber: Subscriber, andOutbox: Bool) {
        unsafe budget.give(subscriber.backlog.size)
        unsafe subscriber.backlog = Backlog()
        unsafe waiting.update(subscriber)
        guard andOutbox else { return }
        unsafe budget.give(subscriber.outboxShare)
        unsafe subscriber.outboxShare = 0
    }

    /// The kernel did not take all that a subscriber was just sent, whose outbox was empty. Nothing
    /// of that can be dropped: where the limit of all that wait was passed before, the one of the
    /// loop pays first for which most waits, and then itself, if much is left.
    @inline(never)
    func countUnsent(of subscriber: Subscriber) {
        if !budget.hasRoom, let slower = unsafe waiting.slower(than: subscriber) { shed(slower) }
        let hadRoom = budget.hasRoom
        let connection = subscriber.connection
        countOutbox(of: subscriber, added: connection.outboxCount)
        if !hadRoom, unsafe subscriber.outboxShare > connection.options.outboxHighWater {
            connection.dropSlowConsumer()
        }
    }

    /// Some publications went into a subscriber's outbox, or some bytes left it.
    func countOutbox(of subscriber: Subscriber, added: Int = 0) {
        let share = unsafe min(
            subscriber.outboxShare + added, subscriber.connection.outboxCount)
        unsafe budget.add(share - subscriber.outboxShare)
        unsafe subscriber.outboxShare = share
    }

    /// Sends what waits, until the outbox is above its high water mark again, or all of it.
    func resume(_ subscriber: Subscriber, all: Bool = false) {
        guard unsafe !subscriber.backlog.isEmpty else { return }
        let connection = subscriber.connection
        let queued = connection.outboxCount
        while all || connection.outboxCount <= connection.options.outboxHighWater,
            let item = unsafe subscriber.backlog.takeFirst()
        {
            budget.give(item.size)
            if case .publication = item { unsafe counts.deliveries &+= 1 }
            switch item {
            case .own(let bytes, let kind, let compresses):
                unsafe bytes.withUnsafeBytes {
                    _ = unsafe connection.sendNow($0, kind, compresses: compresses)
                }
            case .publication(let waiting) where subscriber.mode == .own:
                let publication = waiting.publication
                let messageCounts = unsafe connection.resources.messageCounts
                unsafe messageCounts.pointee.messagesSent &+= 1
                unsafe messageCounts.pointee.bytesSent &+= UInt64(publication.payloadCount)
                _ = unsafe connection.sendNow(
                    publication.payload, publication.kind, compresses: true)
            case .publication(let waiting): sendAlone(waiting, to: subscriber)
            }
        }
        unsafe waiting.update(subscriber)
        connection.flushIfCorked()
        countOutbox(of: subscriber, added: max(0, connection.outboxCount - queued))
    }

    /// Sends a publication to a subscriber for whom it waited. What frame it gets doesn't depend on
    /// others, and so those for whom it waited as well get the same.
    private func sendAlone(_ waiting: WaitingPublication, to subscriber: Subscriber) {
        let publication = waiting.publication
        deflater.level = waiting.level
        encodings.begin(publication, cold: waiting.coldFrame)
        let frame = unsafe encode(publication, for: subscriber, shares: false)
        unsafe subscriber.connection.sendFrame(frame, payloadCount: publication.payloadCount)
        waiting.coldFrame = encodings.coldIfMade
        encodings.end()
        unsafe frames.removeAll(keepingCapacity: true)
    }
}
