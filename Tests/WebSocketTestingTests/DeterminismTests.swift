import Testing
import WebSocketServer
import WebSocketTesting

@Suite("Runs with the same seed") struct DeterminismTests {
    private static var router: Router {
        var router = Router()
        router.webSocket("/echo") { connection in
            for try await message in connection.messages { try await connection.send(message) }
        }
        router.upgrade("/chat") { _ in .accept(Room()) }
        router.get("/hello") { _ in .text("hello") }
        return router
    }

    private final class Room: ConnectionHandler, Sendable {
        func onOpen(_ connection: Connection) { connection.subscribe(to: "room") }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            connection.publish(payload, as: kind, to: "room")
        }
    }

    /// Returns what the server received and sent in a run with several clients and a fault, and
    /// what the clients received.
    private static func run(seed: UInt64?) async throws -> ([TranscriptEntry], [[Message]]) {
        try await withTestServer(router, seed: seed) {
            $0.compression = Compression()
        } _: { app in
            await app.recordTranscript()
            let echo = try await app.connect("/echo")
            var room: [TestClient] = []
            for _ in 0..<3 {
                room.append(try await app.connect("/chat", compression: Compression()))
            }
            for number in 0..<10 {
                await echo.send("\(number): " + String(repeating: "echo ", count: number * 20))
                await room[number % 3].send("\(number): hello to everybody in this room")
                await app.advance(by: .seconds(7))
                // One message of a client that isn't heard any more follows.
                if number == 5 { await room[2].vanish() }
            }
            _ = try await app.get("/hello")
            await app.advance(by: .seconds(60))
            var received: [[Message]] = []
            for client in [echo] + room { received.append(await client.allMessages) }
            return (await app.transcript, received)
        }
    }

    @Test("take the same course, byte by byte and at the same times", arguments: [nil, 1, 2, 3])
    func same(seed: UInt64?) async throws {
        let (first, second) = (try await Self.run(seed: seed), try await Self.run(seed: seed))
        #expect(first.0.count > 60)
        #expect(first.0 == second.0)
        #expect(first.1 == second.1)
    }

    @Test("differ from runs with another seed in their pieces only")
    func different() async throws {
        let (first, second) = (try await Self.run(seed: 1), try await Self.run(seed: 2))
        #expect(first.0 != second.0)
        #expect(first.1[0] == second.1[0] && first.1[0].count == 10)
        #expect(first.1[1] == second.1[1] && first.1[1].count == 9)
    }
}
