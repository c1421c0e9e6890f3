import Foundation
import GRDB
import Testing
import LiveTesting

@testable import AppInput
@testable import RealtimeApp

/// The files that can be the tasks' database, and sharing one among several servers.
@Suite struct TaskStoreOpeningTests {
    private func refusal(_ path: String) async -> String {
        do {
            try await TaskStore.open(path: path, logger: .silent).close()
            return "none"
        } catch {
            return "\(error)"
        }
    }

    @Test("A file that can't be a database is refused with the reason")
    func refused() async throws {
        try await withFolder { folder in
            #expect(await refusal("\(folder)/none/t.sqlite").contains("unable to open"))
            #expect(await refusal(folder).contains("unable to open"))
            try Data("This is a letter, and a longer one than a header is.".utf8)
                .write(to: URL(filePath: "\(folder)/letter"))
            #expect(await refusal("\(folder)/letter").contains("not a database"))
            #expect(await refusal(path(folder)) == "none")
        }
    }

    @Test("A read-only file is refused at the start, not with the first task")
    func readOnly() async throws {
        try await withFolder { folder in
            try await open(folder).close()
            // The write version in the header, as of a later SQLite whose files are read-only for
            // this one.
            let file = try FileHandle(forUpdating: URL(filePath: path(folder)))
            try file.seek(toOffset: 18)
            try file.write(contentsOf: [3])
            try file.close()
            #expect(await refusal(path(folder)).contains("readonly"))
        }
    }

    @Test("A file of a later version is left unchanged")
    func newer() async throws {
        try await withFolder { folder in
            try await open(folder).close()
            let queue = try DatabaseQueue(path: path(folder))
            try await queue.write {
                try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('of tomorrow')")
            }
            try queue.close()
            #expect(await refusal(path(folder)) == "it was created by a newer version of apus")
        }
    }

    @Test("Servers that start at the same time create one database")
    func startedAtOnce() async throws {
        for _ in 1...5 {
            try await withFolder { folder in
                let stores = try await withThrowingTaskGroup(of: TaskStore.self) { group in
                    for _ in 1...4 { group.addTask { try await open(folder) } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                for (id, store) in stores.enumerated() {
                    try await store.add(NewTask(id: Int64(id), title: "t", description: nil)) {}
                }
                #expect(try await list(stores[0]).map(\.id) == [0, 1, 2, 3])
                for store in stores { store.close() }
            }
        }
    }

    @Test("Two servers write to one file at the same time, and each id is stored once")
    func shared() async throws {
        try await withFolder { folder in
            let stores = [try await open(folder), try await open(folder)]
            let stored = try await withThrowingTaskGroup(of: Int.self) { group in
                for store in stores {
                    for id in 1...40 {
                        group.addTask {
                            do {
                                let task = NewTask(id: Int64(id), title: "t", description: nil)
                                try await store.add(task) {}
                                return 1
                            } catch TaskStoreError.duplicate {
                                return 0
                            }
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(stored == 40)
            #expect(try await list(stores[0]).map(\.id) == Array(1...40))
            for store in stores { store.close() }
        }
    }
}
