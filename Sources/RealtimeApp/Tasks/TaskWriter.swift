import AppInput
import Foundation
import GRDB
import HTTPProtocol
import Logging
import Synchronization
import WebSocketServer

/// Stores tasks, all that wait in one transaction: however many come at once, they pay for one
/// wait for the disk.
///
/// Each is answered after the commit. One whose id exists fails alone; a transaction that fails
/// fails all of its tasks, of which nothing is left.
final class TaskWriter: Sendable {
    private let pool: DatabasePool
    private let file: TaskFile
    /// Tasks that wait or are being stored, at most.
    private let unansweredMax: Int
    private let notStored: LogThrottle
    private let state = Mutex(TaskWriterState())

    init(pool: DatabasePool, file: TaskFile, unansweredMax: Int, logger: Logger) {
        self.pool = pool
        self.file = file
        self.unansweredMax = unansweredMax
        notStored = LogThrottle("tasks were not stored", level: .error, logger: logger)
    }

    func add(
        _ task: NewTask, createdAt: String, whenStored: @escaping @Sendable () -> Void
    ) async throws(TaskStoreError) {
        let outcome = await withCheckedContinuation { continuation in
            let pending = PendingTask(
                task: task, createdAt: createdAt, whenStored: whenStored,
                answer: { continuation.resume(returning: $0) })
            switch admit(pending) {
            case .success(let isFirst):
                if isFirst { pool.asyncWriteWithoutTransaction { [self] in writeAll($0) } }
            case .failure(let error): continuation.resume(returning: .failure(error))
            }
        }
        try outcome.get()
    }

    /// Tasks that wait or are being stored.
    var unanswered: Int { state.withLock { $0.unanswered } }

    /// Takes no more tasks; those that it has are answered yet.
    func close() { state.withLock { $0.isClosed = true } }

    /// Whether the writer has to be set going for this task.
    private func admit(_ pending: PendingTask) -> Result<Bool, TaskStoreError> {
        state.withLock { state in
            if state.isClosed { return .failure(.closed) }
            if state.unanswered >= unansweredMax { return .failure(.full) }
            state.waiting.append(pending)
            state.unanswered += 1
            defer { state.isWriting = true }
            return .success(!state.isWriting)
        }
    }

    private func next() -> [PendingTask]? {
        state.withLock { state in
            state.isWriting = !state.waiting.isEmpty
            defer { state.waiting = [] }
            return state.isWriting ? state.waiting : nil
        }
    }

    /// On the database's thread, until nothing waits.
    private func writeAll(_ db: Database) {
        while let batch = next() {
            let outcomes = commit(batch, db)
            // All have their places in the order of the topic before the first is answered.
            for (pending, outcome) in zip(batch, outcomes) {
                if case .success = outcome { pending.whenStored() }
            }
            state.withLock { $0.unanswered -= batch.count }
            for (pending, outcome) in zip(batch, outcomes) { pending.answer(outcome) }
        }
    }

    private func commit(_ batch: [PendingTask], _ db: Database) -> [TaskOutcome] {
        var outcomes: [TaskOutcome] = []
        do {
            try db.inTransaction(.immediate) {
                let insert = try db.cachedStatement(
                    sql: """
                        INSERT INTO tasks (id, title, description, created_at)
                        VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
                        """)
                for pending in batch {
                    let task = pending.task
                    try insert.execute(
                        arguments: [
                            task.id, task.title.string, task.description?.string,
                            pending.createdAt,
                        ])
                    outcomes.append(db.changesCount == 1 ? .success(()) : .failure(.duplicate))
                }
                // SQLite itself would go on writing to the unlinked file.
                if let fault = file.fault() { throw TaskStoreError.unavailable(fault) }
                return .commit
            }
            return outcomes
        } catch {
            let reason = TaskStore.reason(error)
            notStored.log(["tasks": "\(batch.count)", "error": "\(reason)"])
            return batch.map { _ in .failure(.unavailable(reason)) }
        }
    }
}

typealias TaskOutcome = Result<Void, TaskStoreError>

/// A task that waits to be stored.
struct PendingTask: Sendable {
    var task: NewTask
    var createdAt: String
    var whenStored: @Sendable () -> Void
    var answer: @Sendable (TaskOutcome) -> Void
}

/// What a ``TaskWriter`` guards; not nested in it, which Swift 6.3 miscompiles.
struct TaskWriterState {
    var waiting: [PendingTask] = []
    /// Those that wait and those that are being stored.
    var unanswered = 0
    /// Someone is at work and will come back for what waits.
    var isWriting = false
    var isClosed = false
}
