import Dispatch
import Glibc
import LiveTesting
import Testing
import UVTransport

@testable import WebSocketServer

/// Servers that inherit their sockets, and that hand them over.
@Suite("Hand-over") struct HandoverTests {
    /// Waits until the server has accepted so many connections.
    private func accepted(_ count: Int, by server: LiveServer) async throws {
        try await within {
            while await server.server.counters().accepted < count { await Task.yield() }
        }
    }

    @Test(
        "A second server serves on the sockets of the first, with any number of loops",
        arguments: [(1, 1), (1, 3), (3, 1), (3, 2)])
    func inherited(before: Int, after: Int) async throws {
        try await withServer(.echo) {
            $0.loops = before
        } _: { first in
            let sockets = try await first.server.duplicateListeners()
            #expect(sockets.map(\.owned.count) == [before])
            #expect(sockets[0].address == .hostname("127.0.0.1", port: 0))
            try await withServer(.echo) {
                $0.loops = after
                $0.addresses = sockets[0].owned.map { .inherited(descriptor: $0) }
            } _: { second in
                #expect(second.addresses == first.addresses)
                first.server.handOver()
                try await within {
                    while try await !first.server.duplicateListeners().isEmpty {
                        await Task.yield()
                    }
                }
                for _ in 0..<8 {
                    let client = try await second.upgraded()
                    try await client.send(.text("x"))
                    #expect(try await client.readFrame() == .text("x"))
                    await client.close()
                }
                #expect(await second.server.counters().opened == 8)
            }
        }
    }

    @Test("A client that connected before a hand-over becomes a WebSocket, and receives 1012")
    func arriving() async throws {
        try await withServer(.echo) {
            $0.drain.deadline = .seconds(60)
        } _: { server in
            let open = try await server.upgraded()
            let (silent, slow) = (try server.raw(), try server.raw())
            let request = RawClient.upgradeRequest("/ws")
            try await slow.send(String(request.prefix(30)))
            try await accepted(3, by: server)
            server.server.handOver()
            // The drain has begun.
            #expect(try await open.readFrame().closeCode == 1012)
            try await silent.send(request)
            try await slow.send(String(request.dropFirst(30)))
            for client in [silent, slow] {
                #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 101 "))
                #expect(try await client.readFrame().closeCode == 1012)
            }
            for client in [open, silent, slow] {
                try await client.send(.close(1012))
                _ = try await client.readToEnd()
                await client.close()
            }
        }
    }

    @Test("A client that connected before any other stop is answered: its upgrade is refused")
    func stopping() async throws {
        try await withServer(.echo) {
            $0.drain.deadline = .seconds(60)
        } _: { server in
            let open = try await server.upgraded()
            let silent = try server.raw()
            try await accepted(2, by: server)
            server.server.stop()
            #expect(try await open.readFrame().closeCode == 1012)
            try await silent.send(RawClient.upgradeRequest("/ws"))
            #expect(try await silent.readResponse().head.hasPrefix("HTTP/1.1 503 "))
            for client in [open, silent] {
                if client === open { try await client.send(.close(1012)) }
                _ = try await client.readToEnd()
                await client.close()
            }
        }
    }

    @Test("The file of a Unix-domain socket stays for the successor, which removes it")
    func unixFile() async throws {
        let path = "/tmp/apus-test-\(UInt32.random(in: 0 ... .max)).sock"
        let sockets = Locked<[ListeningDescriptors]>([])
        try await withServer(.echo) {
            $0.addresses = [.unix(path: path)]
        } _: { server in
            let owned = try await server.server.duplicateListeners()
            sockets.withLock { $0 = owned }
            server.server.handOver()
        }
        #expect(access(path, F_OK) == 0)
        try await withServer(.echo) {
            $0.addresses = sockets.value.flatMap(\.owned).map {
                .inherited(descriptor: $0, removesFile: true)
            }
        } _: { server in
            #expect(server.addresses == [.unix(path: path)])
            let client = try await server.upgraded()
            await client.close()
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test("A descriptor that doesn't listen is an error, and stays open")
    func notListening() async throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let configuration = ServerConfiguration(address: .inherited(descriptor: descriptor))
        let server = try Server(configuration: configuration, router: .echo, logger: .silent)
        let error = await #expect(throws: ServerError.self) { try await server.run() }
        #expect(error?.code == .cannotListen)
        #expect(error?.description.contains("inherited descriptor \(descriptor)") == true)
        #expect(close(descriptor) == 0)
        #expect(throws: ConfigurationErrors.self) {
            try ServerConfiguration(address: .inherited(descriptor: -1)).validate()
        }
    }

    @Test("A watchdog isn't told that all is well while one event loop hangs")
    func hangingLoop() async throws {
        try await withServer(.echo) {
            $0.loops = 2
        } _: { server in
            await server.server.waitForTurns()
            let (hangs, goesOn) = (Reports<Int>(), DispatchSemaphore(value: 0))
            server.server.runningLoops[1].loop.execute {
                hangs.add(1)
                goesOn.wait()
            }
            _ = try await hangs.next()
            let turned = Reports<Int>()
            let waiting = Task {
                await server.server.waitForTurns()
                turned.add(1)
            }
            // The other loop turns meanwhile.
            let client = try server.raw()
            await client.close()
            await withCheckedContinuation { continuation in
                server.server.runningLoops[0].loop.execute { continuation.resume() }
            }
            #expect(turned.all.isEmpty)
            goesOn.signal()
            _ = try await turned.next()
            await waiting.value
        }
    }
}
