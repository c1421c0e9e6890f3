import Foundation
import GRDB
import HTTPProtocol
import Logging
import Synchronization
import WebSocketServer

/// A writer that stores all waiting tasks in one transaction. So they wait for the disk only once,
/// however many there are.
///
/// Each task is answered after the commit. A task whose id exists fails alone. If a transaction
/// fails, so do all of its tasks, and nothing is stored.
final class TaskWriter: Sendable {
    private let pool: DatabasePool
    private let file: TaskFile
    /// The most tasks that wait or are being stored.
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

    /// The number of tasks that wait or are being stored.
    var unanswered: Int { state.withLock { $0.unanswered } }

    /// Stops accepting tasks. The waiting ones are still answered.
    func close() { state.withLock { $0.isClosed = true } }

    /// Adds a task. Returns whether the writer must be started for it.
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

    /// Stores tasks until none waits, on the database's thread.
    private func writeAll(_ db: Database) {
        while let batch = next() {
            let outcomes = commit(batch, db)
            // All tasks are announced, in the order of the topic, before the first is answered.
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
                // SQLite itself would continue to write to an unlinked file.
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

/// The state that a ``TaskWriter`` guards. It isn't nested, because Swift 6.3 miscompiles that.
struct TaskWriterState {
    var waiting: [PendingTask] = []
    /// The number of tasks that wait or are being stored.
    var unanswered = 0
    /// Whether a writer is running, which will also store the waiting tasks.
    var isWriting = false
    var isClosed = false
}
