import Foundation
import GRDB
public import Logging
import WebSocketServer

/// The tasks, in an SQLite file that several servers may share.
///
/// What is stored is on the disk before anyone is told so (WAL, `synchronous=FULL`): it outlives
/// the process and a loss of power. All of SQLite's work is on threads of its own.
public final class TaskStore: Sendable {
    /// How long a writer waits for those of other processes.
    private static let busyTimeout: Double = 5

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

    /// Opens the database, or makes it; brings an older one up to date.
    ///
    /// - Throws: ``TaskStoreError/cannotOpen(_:)``, also for a file that can't be written.
    public static func open(path: String, logger: Logger) async throws(TaskStoreError) -> TaskStore
    {
        try await open(path: path, unansweredMax: 1_024, logger: logger)
    }

    static func open(
        path: String, unansweredMax: Int, logger: Logger
    ) async throws(TaskStoreError) -> TaskStore {
        let deadline = ContinuousClock.now + .seconds(busyTimeout)
        while true {
            do {
                return TaskStore(
                    pool: try prepare(path), unansweredMax: unansweredMax, logger: logger)
            } catch {
                // The switch to WAL doesn't wait for another server that is about the same.
                let isBusy = (error as? DatabaseError)?.resultCode == .SQLITE_BUSY
                guard isBusy, ContinuousClock.now < deadline else {
                    throw .cannotOpen(reason(error) + (obstacle(to: path).map { ": \($0)" } ?? ""))
                }
                try? await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    private static func prepare(_ path: String) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.busyMode = .timeout(busyTimeout)
        configuration.label = "tasks"
        let pool = try DatabasePool(path: path, configuration: configuration)
        let migrator = migrations
        do {
            try migrator.migrate(pool)
        } catch {
            // Another server that started at the same time may have done it meanwhile.
            guard try pool.read(migrator.hasCompletedMigrations) else { throw error }
        }
        if try pool.read(migrator.hasBeenSuperseded) { throw TaskStoreError.madeByNewer }
        try pool.writeWithoutTransaction { db in
            // A pool begins with NORMAL, by which a loss of power undoes the last commits.
            try db.execute(sql: "PRAGMA synchronous = FULL")
            // Whoever can't write must hear it now, not with the first task.
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

    /// Why the file at `path` can't be written, where that is its folder's or its own fault:
    /// SQLite only says that it can't open the file. `nil` if neither is.
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

    /// What went wrong, for people, without the statement and what was to be stored.
    static func reason(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        return error.message ?? "\(error.resultCode)"
    }

    /// Answers what waits, then closes the file.
    public func close() {
        writer.close()
        do {
            // So that the file alone has all tasks: SQLite's last connection to close sees to
            // that, but not when it is one for reading. A server that is at it will do it later.
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

    /// Stores a task; returns once it is on the disk.
    ///
    /// - Parameter whenStored: called then, for all tasks in the order in which they are stored,
    ///   on the writer's thread; must not block.
    func add(
        _ task: NewTask, at time: Date = Date(), whenStored: @escaping @Sendable () -> Void
    ) async throws(TaskStoreError) {
        try await writer.add(task, createdAt: Self.timestamp(time), whenStored: whenStored)
    }

    /// A time in UTC to the microsecond: `2026-11-24T03:00:00.123456Z`.
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

    /// Runs `body` in a transaction for reading, of which an error is logged.
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

/// Why tasks can't be stored or listed.
public enum TaskStoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// There is a task with that id.
    case duplicate
    /// As many wait already as may.
    case full
    /// The store is closed.
    case closed
    /// The database refuses; nothing was stored.
    case unavailable(String)
    /// The file can't be opened, made or written.
    case cannotOpen(String)
    /// A later version of the program has changed its tables.
    case madeByNewer

    public var description: String {
        switch self {
        case .duplicate: "there is a task with that id"
        case .full: "too many tasks wait to be stored"
        case .closed: "the server is going away"
        case .unavailable(let reason), .cannotOpen(let reason): reason
        case .madeByNewer: "it was made by a newer version of apus"
        }
    }
}
