import Foundation
import GRDB
import Logging
import Testing
import LiveTesting

@testable import AppInput
@testable import RealtimeApp

/// The tasks' database: storing, refusing and waiting.
@Suite struct TaskStoreTests {
    @Test("A task is kept unchanged after the store's end, and listed by id")
    func keeps() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            try await store.add(
                NewTask(id: 9, title: "\"é\\ \u{1}😀", description: nil),
                at: Date(timeIntervalSince1970: 1.5)
            ) {}
            try await store.add(NewTask(id: -3, title: "first", description: "")) {}
            store.close()
            let again = try await open(folder)
            defer { again.close() }
            let listed = try await list(again)
            #expect(listed.map(\.id) == [-3, 9])
            #expect(
                listed[1]
                    == Listed(
                        id: 9, title: "\"é\\ \u{1}😀", description: nil,
                        created_at: "1970-01-01T00:00:01.500000Z"))
            #expect(listed[0].description == "")
        }
    }

    @Test("A commit survives a power failure")
    func durability() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let settings = try await store.pool.writeWithoutTransaction { db in
                (
                    try String.fetchOne(db, sql: "PRAGMA journal_mode"),
                    try Int.fetchOne(db, sql: "PRAGMA synchronous")
                )
            }
            #expect(settings.0 == "wal")
            #expect(settings.1 == 2)
        }
    }

    @Test("A page is a part of the list")
    func pages() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            for id in [5, 1, 4, 2, 3] { try await store.add(task(Int64(id))) {} }
            #expect(try await list(store).map(\.id) == [1, 2, 3, 4, 5])
            #expect(try await list(store, TaskPage(limit: 2)).map(\.id) == [1, 2])
            #expect(try await list(store, TaskPage(limit: 2, after: 2)).map(\.id) == [3, 4])
            #expect(try await list(store, TaskPage(after: 5)).isEmpty)
        }
    }

    @Test("Tasks that arrive during a transaction share the next one; a duplicate fails alone")
    func together() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let commits = CommitCounter()
            store.pool.add(transactionObserver: commits)
            let lock = try Lock(folder)
            let ids = (Array(1...50) + Array(41...60)).map(Int64.init)
            async let outcomes = withTaskGroup { group in
                for id in ids { group.addTask { await outcome(of: id, in: store) } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            try await waitUntil("all wait") { store.writer.unanswered == ids.count }
            try lock.release()
            let all = await outcomes
            #expect(all.count { $0 == .duplicate } == 10)
            #expect(all.count { $0 == nil } == 60)
            // One transaction for the first task, one for those that had to wait for it.
            #expect((1...2).contains(commits.count.value))
            #expect(try await list(store).map(\.id) == Array(1...60))
        }
    }

    @Test("One task more than may wait is refused, and accepted once there is room")
    func bounded() async throws {
        try await withFolder { folder in
            let store = try await open(folder, unansweredMax: 2)
            defer { store.close() }
            let lock = try Lock(folder)
            async let first: Void = store.add(task(1)) {}
            async let second: Void = store.add(task(2)) {}
            try await waitUntil("both wait") { store.writer.unanswered == 2 }
            #expect(await outcome(of: 3, in: store) == .full)
            try lock.release()
            _ = try await (first, second)
            #expect(await outcome(of: 3, in: store) == nil)
        }
    }

    @Test("An answered task is found by every reader")
    func told() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let other = try DatabaseQueue(path: path(folder))
            let found = Locked<[Int]>([])
            for id in 1...20 {
                try await store.add(task(Int64(id))) {
                    let count = try? other.read {
                        try Int.fetchOne(
                            $0, sql: "SELECT count(*) FROM tasks WHERE id = ?", arguments: [id])
                    }
                    found.withLock { $0.append(count ?? -1) }
                }
            }
            #expect(await outcome(of: 1, in: store) == .duplicate)
            #expect(found.value == Array(repeating: 1, count: 20))
        }
    }

    @Test("A full disk is an error; nothing is stored in part, and later tasks are stored")
    func diskFull() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            try await store.add(task(1)) {}
            try await pages(2, of: store)
            let large = NewTask(
                id: 2, title: "t", description: ExactString(String(repeating: "x", count: 9_999)))
            let error = await #expect(throws: TaskStoreError.self) {
                try await store.add(large) { Issue.record("it was told to be stored") }
            }
            #expect(error == .unavailable("database or disk is full"))
            #expect(try await list(store).map(\.id) == [1])
            try await pages(1_000, of: store)
            try await store.add(large) {}
            #expect(try await list(store).map(\.id) == [1, 2])
        }
    }

    /// Limits the size of the database.
    private func pages(_ count: Int, of store: TaskStore) async throws {
        try await store.pool.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA max_page_count = \(count)")
        }
    }

    @Test("A closed store refuses tasks")
    func closed() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            store.close()
            #expect(await outcome(of: 1, in: store) == .closed)
        }
    }

    @Test(
        "Times are UTC with microseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_489_200.123456, "2026-11-24T03:00:00.123456Z"),
            (951_782_400.000001, "2000-02-29T00:00:00.000001Z"),
        ] as [(Double, String)])
    func times(seconds: Double, text: String) {
        #expect(TaskStore.timestamp(Date(timeIntervalSince1970: seconds)) == text)
    }
}

/// Helpers of the store's tests.
private func task(_ id: Int64) -> NewTask {
    NewTask(id: id, title: "task \(id)", description: nil)
}

private func outcome(of id: Int64, in store: TaskStore) async -> TaskStoreError? {
    do {
        try await store.add(task(id)) {}
        return nil
    } catch {
        return error
    }
}

/// Counts the transactions of a database.
private final class CommitCounter: TransactionObserver {
    let count = Locked(0)

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseDidCommit(_ db: Database) { count.withLock { $0 += 1 } }
    func databaseDidRollback(_ db: Database) {}
}
