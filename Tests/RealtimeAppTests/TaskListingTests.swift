import Foundation
import GRDB
import Testing
import LiveTesting

@testable import AppInput
@testable import RealtimeApp

/// The list of tasks, read piece by piece.
@Suite struct TaskListingTests {
    private let pieceSize = TaskListing.pieceSize

    /// Returns the array as SQLite creates it at once.
    private func expected(_ store: TaskStore) async throws -> [UInt8] {
        let text = try await store.pool.read { db in
            try String.fetchOne(
                db,
                sql: """
                    SELECT '[' || coalesce(group_concat(task, ','), '') || ']' FROM (
                        SELECT json_object('id', id, 'title', title, 'description', description,
                            'created_at', created_at) AS task
                        FROM tasks ORDER BY id)
                    """)
        }
        return Array(try #require(text).utf8)
    }

    /// Stores tasks with descriptions of these sizes, in one transaction.
    private func fill(_ store: TaskStore, ids: [Int64], size: Int = 0) async throws {
        try await store.pool.write { db in
            for id in ids {
                try db.execute(
                    sql: "INSERT INTO tasks VALUES (?, 't', ?, '1970-01-01T00:00:00.000000Z')",
                    arguments: [id, String(repeating: "x", count: size)])
            }
        }
    }

    private func pieces(_ listing: TaskListing) async throws -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        while let piece = try await listing.next() { pieces.append(piece) }
        return pieces
    }

    @Test("No tasks are an empty array")
    func empty() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let text = Array("[]".utf8)
            #expect(try await pieces(store.list(TaskPage())) == [text])
            #expect(try await store.list(TaskPage()).takeWhole() == text)
            try await fill(store, ids: [1, 2])
            for page in [TaskPage(after: 2), TaskPage(limit: 1, after: .max)] {
                #expect(try await pieces(store.list(page)) == [text])
            }
        }
    }

    @Test(
        "A list comes in pieces of one size, whatever the size of its tasks", arguments: [0, 1_000])
    func pieces(size: Int) async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            try await fill(store, ids: Array(-500...1_000), size: size)
            let found = try await pieces(store.list(TaskPage()))
            #expect(found.count > 3 && found.dropLast().allSatisfy { $0.count == pieceSize })
            #expect(found.last!.count <= pieceSize)
            #expect(try await Array(found.joined()) == expected(store))
            #expect(try await store.list(TaskPage()).takeWhole() == nil)
        }
    }

    @Test("Lists near the end of a piece are complete", arguments: -3...3)
    func boundary(offset: Int) async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            for count in [1, 2] {
                // The last task makes the array end at the end of the piece, or this many bytes
                // later.
                try await fill(store, ids: [1])
                if count == 2 { try await fill(store, ids: [2]) }
                let rest = pieceSize + offset - (try await expected(store)).count
                try await store.pool.write {
                    try $0.execute(
                        sql: "UPDATE tasks SET description = ? WHERE id = ?",
                        arguments: [String(repeating: "x", count: rest), count])
                }
                let all = try await expected(store)
                #expect(all.count == pieceSize + offset)
                let found = try await pieces(store.list(TaskPage()))
                #expect(Array(found.joined()) == all)
                #expect(found.map(\.count) == (offset > 0 ? [pieceSize, offset] : [all.count]))
                let whole = try await store.list(TaskPage()).takeWhole()
                #expect(whole == (offset > 0 ? nil : all))
                try await store.pool.write { try $0.execute(sql: "DELETE FROM tasks") }
            }
        }
    }

    @Test("A task larger than a piece is split, and the memory stays within it and a piece")
    func largeTask() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            try await fill(store, ids: [1, 3])
            try await fill(store, ids: [2, 4], size: 5 * pieceSize)
            let found = try await pieces(store.list(TaskPage()))
            #expect(found.dropLast().allSatisfy { $0.count == pieceSize })
            #expect(try await Array(found.joined()) == expected(store))
        }
    }

    @Test(
        "The least and largest ids are listed, and a limit ends the list within or between pieces"
    )
    func ends() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            try await fill(store, ids: [.min, -1, .max], size: 20_000)
            #expect(try await list(store).map(\.id) == [.min, -1, .max])
            for limit in 1...4 {
                let ids = try await list(store, TaskPage(limit: Int64(limit))).map(\.id)
                #expect(ids == Array([.min, -1, .max].prefix(limit)))
            }
            #expect(try await list(store, TaskPage(after: .min)).map(\.id) == [-1, .max])
            #expect(try await list(store, TaskPage(limit: 1, after: -1)).map(\.id) == [.max])
        }
    }

    @Test("Tasks stored meanwhile don't prevent the list from ending, or from being complete")
    func meanwhile() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let ids = (1...100).map { Int64($0 * 10) }
            try await fill(store, ids: ids, size: 1_000)
            let listing = try await store.list(TaskPage())
            var bytes: [UInt8] = []
            var added: Int64 = 0
            while let piece = try await listing.next() {
                bytes += piece
                // Before the tasks already read, between those still to be read, and after all of
                // them.
                added += 1
                try await fill(store, ids: [added, 990 + added, 1_000 + added], size: 1_000)
            }
            let listed = try JSONDecoder().decode([Listed].self, from: Data(bytes)).map(\.id)
            #expect(listed == listed.sorted() && Set(listed).isSuperset(of: ids))
            #expect(listed.last == 1_000 && listed.first == 10)
        }
    }

    @Test("A list whose client stops reading keeps no reader and no WAL")
    func abandoned() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            try await fill(store, ids: Array(1...200), size: 1_000)
            // More lists than there are readers.
            var listings: [TaskListing] = []
            for _ in 0..<20 { listings.append(try await store.list(TaskPage())) }
            for listing in listings { _ = try await listing.next() }
            try await fill(store, ids: [1_000])
            let (busy, log) = try await store.pool.writeWithoutTransaction { db in
                let row = try Row.fetchOne(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)")!
                return (row[0] as Int, row[1] as Int)
            }
            #expect(busy == 0 && log == 0)
            let all = try await pieces(listings[0]).joined()
            #expect(all.last == UInt8(ascii: "]"))
        }
    }

    @Test("The end of the store is an error of the list, not its end")
    func closed() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            try await fill(store, ids: Array(1...200), size: 1_000)
            let listing = try await store.list(TaskPage())
            #expect(try await listing.next()?.count == pieceSize)
            store.close()
            await #expect(throws: TaskStoreError.self) {
                while try await listing.next() != nil {}
            }
            await #expect(throws: TaskStoreError.self) { try await store.list(TaskPage()) }
        }
    }
}
