import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// A slow peer is alive as long as it reads something.
@Suite("Slow readers") struct DeliveryTests {
    typealias Frame = RawClient.Frame

    /// More than a peer with a small receive buffer accepts by itself, and less than the server's
    /// kernel does.
    private static let frame = Frame(first: 0x82, payload: .init(repeating: 1, count: 190_000))

    /// A connection that has been sent the frame, which is entirely in the kernel.
    private static func sent(
        _ server: LiveServer, _ recorder: Recorder
    ) async throws -> (RawClient, Connection) {
        let client = try await server.upgraded(receiveBuffer: 4_096)
        let connection = try await recorder.connections.next()
        connection.send(frame.payload)
        try await connection.until { $0.outboxCount == 0 && $0.undeliveredCount > 50_000 }
        return (client, connection)
    }

    /// Reads some of the frame, more than the client's kernel buffers, and waits until the server's
    /// kernel knows.
    private static func readSome(
        _ client: RawClient, _ connection: Connection
    ) async throws -> Int {
        let count = 70_000
        let before = await connection.onLoop { $0.undeliveredCount }
        _ = try await client.read(count)
        try await connection.until { $0.undeliveredCount < before }
        return count
    }

    /// Lets deadlines pass until one ends the connection. The peer's kernel may accept a little
    /// more by itself.
    private static func untilOver(_ connection: Connection) async throws {
        try await connection.until {
            $0.deadlinePassed(now: $0.loop.now)
            return $0.stage == .over
        }
    }

    enum Place: CaseIterable, Sendable {
        case tcp, unix

        var address: ListenAddress {
            switch self {
            case .tcp: .hostname("127.0.0.1", port: 0)
            case .unix: .unix(path: "/tmp/apus-test-\(UInt32.random(in: 0 ... .max)).sock")
            }
        }
    }

    @Test(
        "A ping after data that the kernel still has may be answered late",
        arguments: Place.allCases)
    func ping(place: Place) async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.addresses = [place.address]
            $0.heartbeat.interval = .seconds(30)
            $0.heartbeat.timeout = .seconds(10)
        } _: { server in
            let (client, connection) = try await Self.sent(server, recorder)
            let start = await connection.onLoop { core in
                let start = core.loop.now
                core.deadlinePassed(now: start + 30_000)
                return start
            }
            #expect(await connection.onLoop { $0.lifecycle.liveness.awaitsPong })
            var count = 0
            for late in 1...2 as ClosedRange<UInt64> {
                count += try await Self.readSome(client, connection)
                await connection.onLoop { $0.deadlinePassed(now: start + 30_000 + late * 11_000) }
                #expect(await connection.onLoop { $0.lifecycle.liveness.awaitsPong })
                #expect(await connection.onLoop { $0.stage } == .open)
            }
            // From now on, only its kernel accepts data.
            try await connection.until {
                $0.deadlinePassed(now: $0.lifecycle.liveness.pingSent + 10_000)
                return $0.stage != .open
            }
            _ = try await client.read(10 + Self.frame.payload.count - count)
            #expect(try await client.readFrame() == Frame(first: 0x89))
            #expect(try await client.readFrame().closeCode == .internalError)
            await client.close()
            #expect(try await recorder.end() == .closed(.internalError, "heartbeat timeout"))
        }
    }

    @Test("Data after a ping is no sign of life, although the peer's kernel accepts it")
    func hanging() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.heartbeat.interval = .seconds(30)
            $0.heartbeat.timeout = .seconds(10)
        } _: { server in
            let client = try await server.upgraded()
            let connection = try await recorder.connections.next()
            let start = await connection.onLoop { core in
                let start = core.loop.now
                core.deadlinePassed(now: start + 30_000)
                return start
            }
            connection.send("news")
            try await connection.until { $0.undeliveredCount == 0 }
            await connection.onLoop { $0.deadlinePassed(now: start + 41_000) }
            #expect(await connection.onLoop { $0.stage } == .lingering)
            await client.close()
            #expect(try await recorder.end() == .closed(.internalError, "heartbeat timeout"))
        }
    }

    enum Closing: CaseIterable, Sendable { case peerCloses, weClose }

    @Test(
        "The close timeout restarts while the peer receives earlier data",
        arguments: Closing.allCases, Place.allCases)
    func closing(kind: Closing, place: Place) async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.addresses = [place.address]
        } _: { server in
            let (client, connection) = try await Self.sent(server, recorder)
            switch kind {
            case .peerCloses: try await client.send(.close(.normalClosure))
            case .weClose: connection.close(.normalClosure)
            }
            try await connection.until { $0.stage != .open }
            var count = 0
            for _ in 0..<2 {
                count += try await Self.readSome(client, connection)
                await connection.onLoop { $0.deadlinePassed(now: $0.loop.now) }
                #expect(await connection.onLoop { $0.stage } != .over)
            }
            try await Self.untilOver(connection)
            #expect(await server.server.counters().closeTimeouts == 1)
            _ = try await client.readToEnd(orReset: true)
        }
    }

    @Test(
        "A response on a kept connection may be read slowly",
        arguments: Place.allCases)
    func response(place: Place) async throws {
        let text = String(repeating: "x", count: 190_000)
        let opened = Reports<LoopResources>()
        let recorder = Recorder()
        var router = Router.single(recorder)
        router.get("/") { _ in .text(text) }
        try await withServer(router) {
            $0.addresses = [place.address]
        } _: { server in
            let client = try server.raw(receiveBuffer: 4_096)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = try await client.readHead()
            #expect(head.hasPrefix("HTTP/1.1 200 "))
            // A second connection of the loop shows that all is done.
            let other = try await server.upgraded()
            let witness = try await recorder.connections.next()
            opened.add(witness.core.resources)
            let connection = Connection(
                core: await witness.onLoop { core in
                    core.resources.registry.snapshot().first { $0 !== core }!
                })
            var count = 0
            for _ in 0..<2 {
                await connection.onLoop { $0.deadlinePassed(now: $0.loop.now) }
                #expect(await connection.onLoop { $0.stage } == .opening)
                count += try await Self.readSome(client, connection)
            }
            try await Self.untilOver(connection)
            _ = try await client.readToEnd(orReset: true)
            await other.close()
        }
    }
}
