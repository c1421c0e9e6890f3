import Foundation
import Testing
import WebSocketServer
import LiveTesting

@testable import AppInput
@testable import RealtimeApp

/// Tasks whose database file disappears while it is open.
@Suite struct TaskFileTests {
    private func add(_ id: Int64, to store: TaskStore) async -> String {
        do {
            try await store.add(NewTask(id: id, title: "t", description: nil)) {}
            return "stored"
        } catch {
            return "\(error)"
        }
    }

    @Test(
        "Nothing is stored in an unlinked file, until it is back",
        arguments: ["", "-wal", "-shm"])
    func unlinked(suffix: String) async throws {
        try await withFolder { folder in
            let log = LogRecorder()
            let store = try await TaskStore.open(path: path(folder), logger: log.logger)
            defer { store.close() }
            #expect(await add(1, to: store) == "stored")
            #expect(await store.file.faultFound() == nil)
            let file = path(folder) + suffix
            #expect(rename(file, "\(file).away") == 0)
            #expect(await store.file.faultFound() == "its file is gone")
            for id in 2...4 { #expect(await add(Int64(id), to: store) == "its file is gone") }
            #expect(log.lines(with: "error the tasks' database can't be used").count == 1)
            #expect(log.lines(with: "error tasks were not stored").count == 1)
            #expect(rename("\(file).away", file) == 0)
            #expect(await store.file.faultFound() == nil)
            #expect(await add(2, to: store) == "stored")
            #expect(try await list(store).map(\.id) == [1, 2])
        }
    }

    @Test("Nothing is stored in a file that was replaced")
    func replaced() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let other = "\(folder)/other.sqlite"
            try await TaskStore.open(path: other, logger: .silent).close()
            #expect(rename(other, path(folder)) == 0)
            #expect(await store.file.faultFound() == "its file was replaced by another")
            #expect(await add(1, to: store) == "its file was replaced by another")
        }
    }

    @Test("A link to the file is followed, and its replacement is noticed")
    func linked() async throws {
        try await withFolder { folder in
            try await open(folder).close()
            #expect(symlink("tasks.sqlite", "\(folder)/link") == 0)
            let store = try await TaskStore.open(path: "\(folder)/link", logger: .silent)
            defer { store.close() }
            #expect(await add(1, to: store) == "stored")
            try await TaskStore.open(path: "\(folder)/other.sqlite", logger: .silent).close()
            #expect(symlink("other.sqlite", "\(folder)/new") == 0)
            #expect(rename("\(folder)/new", "\(folder)/link") == 0)
            #expect(await add(2, to: store) == "its file was replaced by another")
        }
    }

    @Test("Servers that share a file don't disturb each other when some stop")
    func shared() async throws {
        try await withFolder { folder in
            let stores = [try await open(folder), try await open(folder)]
            #expect(await add(1, to: stores[0]) == "stored")
            stores[0].close()
            #expect(await add(2, to: stores[1]) == "stored")
            let third = try await open(folder)
            #expect(await add(3, to: third) == "stored")
            third.close()
            #expect(await add(4, to: stores[1]) == "stored")
            stores[1].close()
        }
    }

    @Test("Readiness reports that the file is gone")
    func readiness() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let app = RealtimeApp(logger: .silent, broker: MemoryBroker(), tasks: store)
            try await withServer(app.router()) { server in
                func ready() async throws -> String {
                    let client = try RawClient(to: server.addresses[0])
                    try await client.send("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
                    let (head, body) = try await client.readResponse()
                    await client.close()
                    return "\(head.prefix(12)) \(body)"
                }
                #expect(try await ready().hasPrefix("HTTP/1.1 200"))
                #expect(unlink(path(folder)) == 0)
                let answer = try await ready()
                #expect(answer.hasPrefix("HTTP/1.1 503"))
                #expect(answer.contains("tasks.database: its file is gone"))
            }
        }
    }
}
