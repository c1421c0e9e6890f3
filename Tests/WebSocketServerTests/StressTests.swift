import Testing
import LiveTesting

@testable import WebSocketServer

@Suite struct StressTests {
    /// All connections on all loops, which receive each client's messages.
    final class Lobby: ConnectionHandler, Sendable {
        let members = Locked<Set<Connection>>([])
        let closed = Locked(0)

        func onOpen(_ connection: Connection) { members.withLock { _ = $0.insert(connection) } }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            for member in members.value { member.send(payload, as: kind) }
        }

        func onClose(_ connection: Connection, code: CloseCode, reason: String) {
            closed.withLock { $0 += 1 }
            members.withLock { _ = $0.remove(connection) }
        }
    }

    /// Random clients on three loops send, broadcast, close, reset, and are closed by other
    /// threads.
    @Test("Loops, clients and threads that do everything at once leave nothing open")
    func everything() async throws {
        let lobby = Lobby()
        try await withServer(.single(lobby)) {
            $0.loops = 3
            $0.limits.closeTimeout = .seconds(2)
        } _: { server in
            try await withClient(loops: 2) { client in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    for seed in 0..<16 {
                        tasks.addTask { try await Self.live(UInt64(seed), server, client, lobby) }
                    }
                    try await tasks.waitForAll()
                }
            }
            try await within {
                while server.server.connectionCount > 0 { await Task.yield() }
            }
            let counters = await server.server.counters()
            #expect(counters.opened == counters.closedTotal)
            #expect(counters.opened == lobby.closed.value)
            #expect(lobby.members.value.isEmpty)
        }
    }

    private static func live(
        _ seed: UInt64, _ server: LiveServer, _ client: WebSocketClient, _ lobby: Lobby
    ) async throws {
        var random = SplitMix(seed)
        func next(_ bound: UInt64) -> Int { Int(random.next() % bound) }
        for _ in 0..<8 {
            let connection = try await client.connect(to: server.url("/ws"))
            let reading = Task { while await connection.receive() != nil {} }
            for _ in 0..<next(20) {
                let size = [1, 100, 5_000, 70_000][next(4)]
                switch next(10) {
                case 0:
                    if let other = lobby.members.value.randomElement() {
                        other.close(.goingAway, reason: "chosen")
                    }
                case 1: connection.connection.ping([1, 2, 3])
                default:
                    try? await connection.send(Message([UInt8](repeating: 9, count: size)))
                }
            }
            if next(4) == 0 {
                await connection.connection.onLoop { $0.terminate(reset: true) }
            } else {
                await connection.close(.normalClosure)
            }
            _ = try? await connection.waitUntilClosed()
            await reading.value
        }
    }
}
