import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// The last data arrives, whatever the peer still sends (RFC 6455 §7.1.1, RFC 9112 §9.6).
@Suite("Closing") struct ClosingTests {
    typealias Frame = RawClient.Frame

    /// The data that a peer sends after its Close frame.
    enum Rest: String, CaseIterable, Sendable {
        case nothing, pong, message, secondClose, noFrame, much

        var bytes: [UInt8] {
            switch self {
            case .nothing: []
            case .pong: Frame(first: 0x8A).encoded()
            case .message: Frame.text("late").encoded()
            case .secondClose: Frame.close(.goingAway).encoded()
            case .noFrame: [0xFF, 0xFF, 0xFF]
            case .much: .init(repeating: 0, count: 3 << 20)
            }
        }
    }

    @Test(
        "All sent data arrives with the Close frame, even if a peer sends after its own",
        arguments: Rest.allCases)
    func bytesBehindClose(rest: Rest) async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try await server.upgraded(receiveBuffer: 4_096)
            let connection = try await recorder.connections.next()
            let frame = Frame(first: 0x82, payload: .init(repeating: 1, count: 2_000))
            for _ in 0..<40 { connection.send(frame.payload) }
            connection.ping()
            // The kernel has all of it.
            #expect(await connection.onLoop { $0.outboxCount } == 0)
            try await client.send(.close(4_001, "bye"))
            try await connection.until { $0.stage != .open }
            try await client.send(rest.bytes)
            for _ in 0..<40 { #expect(try await client.readFrame() == frame) }
            #expect(try await client.readFrame() == Frame(first: 0x89))
            #expect(try await client.readFrame() == .close(4_001))
            #expect(try await client.readToEnd() == [])
            await client.close()
            #expect(try await recorder.end() == .closed(4_001, "bye"))
            #expect(recorder.events.all.count == 2)
        }
    }

    @Test("The same if the server closes first, and the peer answers after other frames")
    func bytesBehindAnswer() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try await server.upgraded(receiveBuffer: 4_096)
            let connection = try await recorder.connections.next()
            let frame = Frame(first: 0x82, payload: .init(repeating: 1, count: 2_000))
            for _ in 0..<40 { connection.send(frame.payload) }
            connection.close(.goingAway)
            // It closes as well, and has read nothing yet.
            try await client.send(.close(.normalClosure))
            try await connection.until { $0.stage != .open && $0.stage != .closing }
            try await client.send(.text("late"))
            for _ in 0..<40 { #expect(try await client.readFrame() == frame) }
            #expect(try await client.readFrame() == .close(.goingAway))
            #expect(try await client.readToEnd() == [])
            await client.close()
            #expect(try await recorder.end() == .closed(.normalClosure, ""))
        }
    }

    @Test("A peer that continues to send after its Close frame is closed at the close timeout")
    func endless() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.limits.closeTimeout = .milliseconds(100)
        } _: { server in
            let client = try await server.upgraded()
            try await client.send(.close(.normalClosure))
            await #expect(throws: RawClientError.self) {
                while true { try await client.send(Rest.much.bytes) }
            }
            #expect(try await recorder.end() == .closed(.normalClosure, ""))
            #expect(await server.server.counters().closeTimeouts == 1)
        }
    }

    /// The ways in which a connection ends whose peer keeps its TCP side open.
    enum Ending: String, CaseIterable, Sendable { case peerCloses, serverCloses, protocolError }

    @Test(
        "The handler is informed of the end when no message can come, although the peer stays",
        arguments: Ending.allCases)
    func reportedBeforeThePeerLeaves(ending: Ending) async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            // Longer than any wait of a test.
            $0.limits.closeTimeout = .seconds(600)
        } _: { server in
            let client = try await server.upgraded()
            let expected: CloseCode
            switch ending {
            case .peerCloses:
                expected = 4_001
                try await client.send(.close(4_001))
            case .serverCloses:
                expected = 4_002
                try await recorder.connections.next().close(4_002)
                #expect(try await client.readFrame() == .close(4_002))
                try await client.send(.close(4_002))
            case .protocolError:
                expected = .protocolError
                try await client.send([0x83, 0x80, 0, 0, 0, 0])
            }
            guard case .closed(expected, _) = try await recorder.end() else {
                Issue.record("ended otherwise than by \(expected)")
                return
            }
            #expect(server.server.connectionCount == 1)
            await client.close()
            try await within { while server.server.connectionCount > 0 { await Task.yield() } }
            // It was reported once.
            #expect(recorder.events.all.count == 2)
        }
    }

    @Test("A connection that waits for its peer to leave still counts as one")
    func counted() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try await server.upgraded()
            try await client.send(.close(.normalClosure))
            #expect(try await client.readFrame() == .close(.normalClosure))
            #expect(try await client.readToEnd() == [])
            #expect(server.server.connectionCount == 1)
            await client.close()
            _ = try await recorder.end()
            try await within { while server.server.connectionCount > 0 { await Task.yield() } }
        }
    }

    @Test("A peer that ends its side without a Close frame receives the queued data")
    func halfClosed() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.limits.outboxMax = .mebibytes(64)
        } _: { server in
            let client = try await server.upgraded(receiveBuffer: 4_096)
            let connection = try await recorder.connections.next()
            let frame = Frame(first: 0x82, payload: .init(repeating: 1, count: 8 << 20))
            connection.send(frame.payload)
            try await connection.until { $0.outboxCount > 0 }
            await client.finishSending()
            try await connection.until { $0.hasEnded }
            #expect(try await client.readFrame() == frame)
            #expect(try await client.readToEnd() == [])
            #expect(try await recorder.end() == .closed(.abnormalClosure, ""))
        }
    }

    @Test("A stop doesn't truncate a response that its client has yet to read")
    func stopBehindResponse() async throws {
        let text = String(repeating: "x", count: 8 << 20)
        var router = Router()
        router.get("/") { _ in .text(text) }
        let reading = Locked<Task<String, any Error>?>(nil)
        try await withServer(router) {
            $0.drain.deadline = .seconds(120)
        } _: { server in
            let client = try server.raw(receiveBuffer: 4_096)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = try await client.readHead()
            #expect(head.hasPrefix("HTTP/1.1 200 "))
            server.server.stop()
            // Listeners are closed before connections are drained.
            try await within { while (try? server.raw()) != nil { await Task.yield() } }
            reading.withLock {
                $0 = Task { String(decoding: try await client.readToEnd(), as: UTF8.self) }
            }
        }
        let read = try await reading.value?.value
        let isWhole = read == text
        #expect(isWhole)
    }

    @Test("A refused request is answered although its content is still arriving")
    func refusedContent() async throws {
        try await withServer(.echo) { server in
            let client = try server.raw()
            let request = "POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 3145728\r\n\r\n"
            try await client.send(request)
            try await client.send(Rest.much.bytes)
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 413 "))
            #expect(try await client.readToEnd() == [])
        }
    }
}
