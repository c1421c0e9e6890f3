import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// A handler that counts messages, each of which contains its number.
private final class Counter: ConnectionHandler, Sendable {
    let connections = Reports<Connection>()
    let ends = Reports<CloseCode>()
    let received = Locked(0)
    let isOrdered = Locked(true)

    func onOpen(_ connection: Connection) { connections.add(connection) }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        let number = payload.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        received.withLock { received in
            if number != UInt32(received) { isOrdered.withLock { $0 = false } }
            received += 1
        }
    }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) { ends.add(code) }
}

@Suite("The share of a turn for a connection") struct SharesTests {
    typealias Frame = RawClient.Frame

    private static func numbered(_ count: Int) -> [UInt8] {
        (0..<UInt32(count)).flatMap { number in
            let payload = withUnsafeBytes(of: number) { [UInt8]($0) }
            return Frame(first: 0x82, payload: payload).encoded()
        }
    }

    @Test("A read full of small messages is received in several turns, in order")
    func smallMessages() async throws {
        let counter = Counter()
        try await withServer(.single(counter)) { server in
            let client = try await server.upgraded()
            let connection = try await counter.connections.next()
            let all = Self.numbered(25_000)
            let (first, reasons) = await connection.onLoop { core in
                var read = all
                read.withUnsafeMutableBytes { core.receiveInWindows($0) }
                return (counter.received.value, core.pauseReasons)
            }
            #expect(first < 25_000 && reasons == .held)
            try await connection.until { _ in counter.received.value == 25_000 }
            #expect(counter.isOrdered.value)
            let isReading = await connection.onLoop {
                $0.guards?.unparsedBytes.isEmpty == true && $0.pauseReasons.isEmpty
            }
            #expect(isReading)
            await client.close()
        }
    }

    @Test("Messages after waiting ones are received after them")
    func orderBehindHeld() async throws {
        let counter = Counter()
        try await withServer(.single(counter)) { server in
            let client = try await server.upgraded()
            try await client.send(Self.numbered(60_000))
            try await client.send(.close(.normalClosure))
            #expect(try await client.readFrame().closeCode == .normalClosure)
            #expect(counter.received.value == 60_000 && counter.isOrdered.value)
            _ = try? await client.readToEnd()
        }
    }

    @Test("Pipelined requests are all answered, in several turns")
    func pipelining() async throws {
        try await withServer(.echo) {
            // The client may take its time for a thousand responses before it asks again.
            $0.limits.handshakeTimeout = .seconds(600)
        } _: { server in
            let client = try server.raw()
            let request = [UInt8]("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            // As many at once as the kernel's buffers accept, including the answers.
            let (rounds, count) = (6, 1_000)
            for _ in 0..<rounds {
                try await client.send(Array(repeatElement(request, count: count).joined()))
                for _ in 0..<count {
                    let response = try await client.readResponse()
                    #expect(response.head.hasPrefix("HTTP/1.1 404"))
                }
            }
            #expect(await server.server.counters().requests == rounds * count)
            await client.close()
        }
    }

    @Test("One read of pipelined requests occupies the loop for one share")
    func pipelinedShare() async throws {
        try await withServer(.echo) { server in
            let client = try server.raw()
            // After a first answer, the connection exists.
            try await client.send("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await client.readResponse()
            let first = try #require(await server.server.firstLoop)
            let waits = await withCheckedContinuation { continuation in
                first.loop.execute {
                    let core = first.registry.snapshot()[0]
                    var read = Array(
                        repeatElement("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", count: 7_000)
                            .joined().utf8)
                    read.withUnsafeMutableBytes { core.received($0) }
                    continuation.resume(
                        returning: core.pauseReasons.contains(.held)
                            || core.pauseReasons.contains(.outbox))
                }
            }
            #expect(waits)
            await client.close()
        }
    }

    /// A frame with a compressed message of zeros, whose decompression takes more than a share.
    private static let dear = HeldTests.bomb(48 << 20)

    /// - Parameter then: Runs on the loop, in the turn that has paused the message.
    private func withDearMessage(
        then: @escaping @Sendable (ConnectionCore) -> Void = { _ in },
        _ body: @escaping @Sendable (RawClient, Connection, Counter) async throws -> Void
    ) async throws {
        let counter = Counter()
        try await withServer(.single(counter)) {
            $0.limits.messageSizeMax = .mebibytes(64)
        } _: { server in
            let client = try server.raw()
            try await client.upgrade("/ws", HeldTests.offer)
            let connection = try await counter.connections.next()
            let isPaused = await connection.onLoop { core in
                var read = Self.dear
                read.withUnsafeMutableBytes { core.receive($0) }
                let isPaused = core.session.isInflating && core.pauseReasons == .held
                then(core)
                return isPaused
            }
            #expect(isPaused)
            try await body(client, connection, counter)
        }
    }

    @Test("A message that takes long to decompress continues in later turns")
    func longInflation() async throws {
        try await withDearMessage { client, connection, counter in
            try await connection.until { _ in counter.received.value == 1 }
            // The following data, too.
            try await client.send(Frame(first: 0x89, payload: [7]))
            #expect(try await client.readFrame() == Frame(first: 0x8A, payload: [7]))
            await client.close()
        }
    }

    @Test("The application closes, or the client leaves, while a message is being decompressed")
    func endWhileInflating() async throws {
        try await withDearMessage(then: { $0.beginClosing(.goingAway, "") }) {
            client, _, counter in
            #expect(try await client.readFrame().closeCode == .goingAway)
            try await client.send(.close(.goingAway))
            _ = try await client.readToEnd()
            await client.close()
            #expect(try await counter.ends.next() == .goingAway)
            #expect(counter.received.value == 0)
        }
        try await withDearMessage(then: { $0.terminate(reset: true) }) { client, _, counter in
            let end = try await counter.ends.next()
            #expect(end == .abnormalClosure)
            #expect(counter.received.value == 0)
            await client.close()
        }
    }
}
