import AppInput
import Foundation
import GRDB
public import Logging
import WebSocketServer

/// The tasks in an SQLite file, which several servers may share.
///
/// A task is on the disk before its request is answered (WAL, `synchronous=FULL`): it survives the
/// end of the process and a power failure. SQLite runs on its own threads.
public final class TaskStore: Sendable {
    /// The seconds that a writer waits for writers of other processes.
    static let busyTimeout: Double = 5

    let pool: DatabasePool
    let file: TaskFile
    let writer: TaskWriter
    private let unreadable: LogThrottle
    private let logger: Logger

    private init(pool: DatabasePool, unansweredMax: Int, logger: Logger) {
        self.pool = pool
        self.logger = logger
        unreadable = LogThrottle("tasks can't be read", level: .error, logger: logger)
        file = TaskFile(openedAt: pool.path, logger: logger)
        writer = TaskWriter(
            pool: pool, file: file, unansweredMax: unansweredMax, logger: logger)
    }

    /// Opens or creates the database, and migrates an older one.
    ///
    /// - Throws: ``TaskStoreError/cannotOpen(_:)``, also if the file isn't writable.
    public static func open(path: String, logger: Logger) async throws(TaskStoreError) -> TaskStore
    {
        try await open(path: path, unansweredMax: 1_024, logger: logger)
    }

    static func open(
        path: String, unansweredMax: Int, busyTimeout: Double = busyTimeout, logger: Logger
    ) async throws(TaskStoreError) -> TaskStore {
        let deadline = ContinuousClock.now + .seconds(busyTimeout)
        while true {
            do {
                return TaskStore(
                    pool: try prepare(path, busyTimeout: busyTimeout),
                    unansweredMax: unansweredMax, logger: logger)
            } catch {
                // The switch to WAL doesn't wait for another server that switches at the same time.
                let isBusy = (error as? DatabaseError)?.resultCode == .SQLITE_BUSY
                guard isBusy, ContinuousClock.now < deadline else {
                    throw .cannotOpen(reason(error) + (obstacle(to: path).map { ": \($0)" } ?? ""))
                }
                try? await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    private static func prepare(_ path: String, busyTimeout: Double) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.busyMode = .timeout(busyTimeout)
        configuration.label = "tasks"
        let pool = try DatabasePool(path: path, configuration: configuration)
        let migrator = migrations
        do {
            try migrator.migrate(pool)
        } catch {
            // Another server that started at the same time may have migrated it meanwhile.
            guard try pool.read(migrator.hasCompletedMigrations) else { throw error }
        }
        if try pool.read(migrator.hasBeenSuperseded) { throw TaskStoreError.madeByNewer }
        try pool.writeWithoutTransaction { db in
            // The default of a pool is NORMAL, with which a power failure undoes the last commits.
            try db.execute(sql: "PRAGMA synchronous = FULL")
            // A read-only file is reported now, not with the first task.
            try db.inTransaction(.immediate) { .rollback }
        }
        return pool
    }

    private static var migrations: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("tasks") { db in
            try db.execute(
                sql: """
                    CREATE TABLE tasks (
                        id INTEGER NOT NULL PRIMARY KEY,
                        title TEXT NOT NULL,
                        description TEXT,
                        created_at TEXT NOT NULL
                    ) STRICT
                    """)
        }
        return migrator
    }

    /// Returns the reason why the file at `path` can't be written, if it lies in the file or its
    /// folder: SQLite only reports that it can't open the file. Returns `nil` otherwise.
    private static func obstacle(to path: String) -> String? {
        let url = URL(fileURLWithPath: path)
        let folder = url.deletingLastPathComponent().path
        if (try? url.resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory == true {
            return "it is a folder"
        }
        // The effective user counts (`AT_EACCESS`), as for SQLite.
        func canWrite(_ path: String) -> Bool {
            unsafe faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0
        }
        if canWrite(url.path) { return nil }
        if errno != ENOENT { return unsafe String(cString: strerror(errno)) }
        guard !canWrite(folder) else { return nil }
        return unsafe "its folder \(folder): \(String(cString: strerror(errno)))"
    }

    /// Describes an error for people, without the statement and its values.
    static func reason(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        return error.message ?? "\(error.resultCode)"
    }

    /// Answers the waiting tasks, then closes the file.
    public func close() {
        writer.close()
        do {
            // A checkpoint, so that the file alone contains all tasks. SQLite's last connection
            // does it at its close, but not a read-only one. If another server is busy, that server
            // will do it later.
            try pool.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA busy_timeout = 0")
                _ = try? db.checkpoint(.truncate)
            }
            try pool.close()
        } catch {
            logger.warning(
                "the tasks' database did not close", metadata: ["error": "\(Self.reason(error))"])
        }
    }

    /// Stores a task. Returns when it is on the disk.
    ///
    /// - Parameter whenStored: Called on the writer's thread after the commit, for all tasks in the
    ///   order in which they are stored. Must not block.
    func add(
        _ task: NewTask, at time: Date = Date(), whenStored: @escaping @Sendable () -> Void
    ) async throws(TaskStoreError) {
        try await writer.add(task, createdAt: Self.timestamp(time), whenStored: whenStored)
    }

    /// Returns a time in UTC with microseconds: `2026-11-24T03:00:00.123456Z`.
    static func timestamp(_ time: Date) -> String {
        let microseconds = Int((time.timeIntervalSince1970 * 1_000_000).rounded(.down))
        let (seconds, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        let whole = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        return "\(whole.dropLast()).\(String(fraction + 1_000_000).dropFirst())Z"
    }

    /// Begins to list the tasks of a page.
    func list(_ page: TaskPage) async throws(TaskStoreError) -> TaskListing {
        try await TaskListing(page, of: self)
    }

    /// Runs `body` in a read transaction, and logs its error.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        do {
            return try await pool.read(body)
        } catch {
            let reason = Self.reason(error)
            if !(error is CancellationError) { unreadable.log(["error": "\(reason)"]) }
            throw .unavailable(reason)
        }
    }
}

/// The reason why tasks can't be stored or listed.
public enum TaskStoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A task with this id exists already.
    case duplicate
    /// The limit of waiting tasks is reached.
    case full
    /// The store is closed.
    case closed
    /// The database reports an error; nothing was stored.
    case unavailable(String)
    /// The file can't be opened, created or written.
    case cannotOpen(String)
    /// A later version of the program has changed its tables.
    case madeByNewer

    public var description: String {
        switch self {
        case .duplicate: "there is a task with that id"
        case .full: "too many tasks wait to be stored"
        case .closed: "the server is stopping"
        case .unavailable(let reason), .cannotOpen(let reason): reason
        case .madeByNewer: "it was created by a newer version of apus"
        }
    }
}
