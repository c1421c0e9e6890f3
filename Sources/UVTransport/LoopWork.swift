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

    /// Adds work; false when the loop has stopped. `wakeUp` is called for the first since the
    /// last ``take(into:)``, under the lock: the loop can't be gone before it has returned.
    borrowing func add(_ work: LoopWork, wakeUp: () -> Void) -> Bool {
        contents.withLock { contents in
            if contents.isClosed { return false }
            contents.work.append(work)
            if contents.work.count == 1 { wakeUp() }
            return true
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
