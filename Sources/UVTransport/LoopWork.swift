import Synchronization

/// One thing to do on a loop: a Swift job, or a closure.
enum LoopWork: Sendable {
    case job(UnownedJob)
    case closure(@Sendable () -> Void)
}

/// What a ``Mailbox`` holds; not nested in it, which Swift 6.3 miscompiles.
struct MailboxContents {
    var work: [LoopWork] = []
    var isClosed = false
}

/// What other threads want done on a loop: a mailbox that needs one wake-up however many write.
struct Mailbox: ~Copyable, Sendable {
    private let contents = Mutex(MailboxContents())

    enum Outcome { case added, addedFirst, closed }

    /// Adds work; `addedFirst` means that the loop must be woken.
    borrowing func add(_ work: LoopWork) -> Outcome {
        contents.withLock { contents in
            if contents.isClosed { return .closed }
            contents.work.append(work)
            return contents.work.count == 1 ? .addedFirst : .added
        }
    }

    /// Takes everything out, reusing `buffer`'s storage for what comes next.
    borrowing func take(into buffer: inout [LoopWork]) {
        buffer.removeAll(keepingCapacity: true)
        contents.withLock { contents in swap(&contents.work, &buffer) }
    }

    /// Refuses all later work.
    borrowing func close() { contents.withLock { $0.isClosed = true } }
}
