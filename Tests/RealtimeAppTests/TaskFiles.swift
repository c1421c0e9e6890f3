import Foundation
import GRDB
import Testing
import LiveTesting

@testable import AppInput
@testable import RealtimeApp

/// A task in a list.
struct Listed: Decodable, Hashable {
    var id: Int64
    var title: String
    var description: String?
    var created_at: String
}

/// Runs `body` with a folder of its own.
func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(
        path: "apus-tasks-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try await body(folder.path())
}

/// Returns the path of the database in a folder.
func path(_ folder: String) -> String { "\(folder)/tasks.sqlite" }

func open(_ folder: String, unansweredMax: Int = 1_024) async throws -> TaskStore {
    // As patient as the tests: on a busy machine, a lock may be held for long.
    try await TaskStore.open(
        path: path(folder), unansweredMax: unansweredMax, busyTimeout: 120, logger: .silent)
}

func list(_ store: TaskStore, _ page: TaskPage = TaskPage()) async throws -> [Listed] {
    try JSONDecoder().decode([Listed].self, from: Data(try await rest(of: store.list(page))))
}

/// Reads the rest of a listing.
func rest(of listing: TaskListing) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    while let piece = try await listing.next() { bytes += piece }
    return bytes
}

/// Waits for a condition by polling.
func waitUntil(_ what: String, _ condition: @escaping @Sendable () -> Bool) async throws {
    try await within(.seconds(120), what) {
        while !condition() {
            try Task.checkCancellation()
            await Task.yield()
        }
    }
}

/// Another program that writes to the database, and locks it.
final class Lock {
    private let queue: DatabaseQueue

    init(_ folder: String) throws {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        queue = try DatabaseQueue(path: path(folder), configuration: configuration)
        try queue.inDatabase { try $0.execute(sql: "BEGIN IMMEDIATE") }
    }

    func release() throws { try queue.inDatabase { try $0.execute(sql: "ROLLBACK") } }
}
