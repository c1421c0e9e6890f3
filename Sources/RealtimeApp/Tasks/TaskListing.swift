import GRDB

/// The tasks of a page as a JSON array, read piece by piece while it is being sent.
///
/// Each piece is read in its own transaction. So a slow client occupies neither a database
/// connection nor the WAL, and only a piece and a task are in memory. Tasks are never changed or
/// deleted, so the list contains all tasks that existed at the beginning, once each and in the
/// order of their ids. It contains a task stored in the meantime if its id lies between the current
/// piece and the largest id at the beginning. This limit makes the list end.
actor TaskListing {
    /// The least bytes of each piece except the last.
    static let pieceSize = 32 << 10

    private let store: TaskStore
    /// The bytes that were read and not yet returned: less than a piece and one task.
    private var unsent: ArraySlice<UInt8>
    /// The tasks that are still to be read; `nil` after the end of the array.
    private var remaining: TaskRange?

    /// Reads the first piece.
    init(_ page: TaskPage, of store: TaskStore) async throws(TaskStoreError) {
        let (bytes, remaining) = try await store.read { db in
            let bytes = [UInt8(ascii: "[")]
            guard let last = try Int64.fetchOne(db, sql: "SELECT max(id) FROM tasks"),
                let range = TaskRange(page, through: last)
            else { return (bytes + [UInt8(ascii: "]")], TaskRange?.none) }
            return try range.read(behind: bytes, upTo: Self.pieceSize, db)
        }
        self.store = store
        unsent = bytes[...]
        self.remaining = remaining
    }

    /// Returns the complete array if it fits into a piece. Then nothing is left for ``next()``.
    func takeWhole() -> [UInt8]? {
        guard remaining == nil, unsent.count <= Self.pieceSize else { return nil }
        defer { unsent = [] }
        return Array(unsent)
    }

    /// Returns the next piece, or `nil` after the last one. Wait for its result before the next
    /// call.
    func next() async throws(TaskStoreError) -> [UInt8]? {
        if unsent.count < Self.pieceSize, let range = remaining {
            let part = Array(unsent)
            let (bytes, remaining) = try await store.read {
                try range.read(behind: part, upTo: Self.pieceSize, $0)
            }
            unsent = bytes[...]
            self.remaining = remaining
        }
        if unsent.isEmpty { return nil }
        let piece = Array(unsent.prefix(Self.pieceSize))
        unsent = unsent.dropFirst(piece.count)
        return piece
    }
}

/// The tasks of a listing that are still to be read; at least one.
private struct TaskRange {
    var first: Int64
    let last: Int64
    var limit: Int64
    /// Whether a comma precedes the next task.
    var isBegun = false

    init?(_ page: TaskPage, through last: Int64) {
        if let after = page.after, after >= last { return nil }
        first = page.after.map { $0 + 1 } ?? .min
        self.last = last
        limit = page.limit ?? .max
    }

    /// Appends tasks to a part of the array until it has `size` bytes, or ends. Returns the part
    /// and the tasks still to be read.
    consuming func read(
        behind part: [UInt8], upTo size: Int, _ db: Database
    ) throws -> ([UInt8], TaskRange?) {
        var part = part
        // SQLite creates the JSON, so no value is created for each task.
        let rows = try Row.fetchCursor(
            db.cachedStatement(
                sql: """
                    SELECT id, json_object('id', id, 'title', title, 'description', description,
                        'created_at', created_at)
                    FROM tasks WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?
                    """), arguments: [first, last, limit])
        while let row = try rows.next() {
            if isBegun { part.append(UInt8(ascii: ",")) }
            isBegun = true
            let id: Int64 = row[0]
            let task: String = row[1]
            part.append(contentsOf: task.utf8)
            if id == last || limit == 1 { break }
            first = id + 1
            limit -= 1
            if part.count >= size { return (part, self) }
        }
        part.append(UInt8(ascii: "]"))
        return (part, nil)
    }
}
