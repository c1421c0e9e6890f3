import Testing
import LiveTesting

@testable import WebSocketServer

/// A program between two connections passes on close codes and payloads. None of them may crash it.
@Suite("Values passed on from another connection")
struct PassedOnTests {
    @Test(
        "Every code is accepted for closing, on either side",
        arguments: [
            (1000, 1000), (1005, nil), (1006, 1011), (1015, 1011), (1004, 1011), (0, 1011),
            (2999, 1011), (5000, 1011), (65_535, 1011), (3000, 3000),
        ] as [(UInt16, UInt16?)])
    func codes(asked: UInt16, sent: UInt16?) async throws {
        let (asked, sent) = (CloseCode(rawValue: asked), sent.map(CloseCode.init(rawValue:)))
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try await server.upgraded()
            try await recorder.connections.next().close(asked, reason: "why")
            #expect(try await client.readFrame() == .close(sent, sent == nil ? "" : "why"))
            try await client.send(.close(sent))
            #expect(try await client.readToEnd() == [])
        }
        // The same for a client's connection, and for an `async` one.
        var router = Router.single(recorder)
        router.webSocket("/async") { connection in
            connection.close(asked, reason: "why")
            _ = await connection.waitUntilClosed()
        }
        try await withServer(router) { server in
            try await withClient { client in
                let end = try await client.connect(to: server.url("/ws")).close(asked)
                #expect(end.code == sent ?? .noStatusReceived)
                let told = try await client.connect(to: server.url("/async")).waitUntilClosed()
                #expect(told.code == sent ?? .noStatusReceived)
            }
        }
    }

    enum Ending: CaseIterable, Sendable { case closesEmpty, leaves, resets, breaksTheProtocol }

    @Test(
        "The end of one peer is passed on as a Close frame to the other, whatever it was",
        arguments: Ending.allCases)
    func relay(ending: Ending) async throws {
        let second = Recorder()
        var router = Router()
        router.webSocket("/second") { _ in .accept(second) }
        router.webSocket("/first") { connection in
            let end = await connection.waitUntilClosed()
            second.connections.all[0].close(end.code, reason: end.reason)
        }
        try await withServer(router) { server in
            let other = try await server.upgraded("/second")
            _ = try await second.connections.next()
            let one = try await server.upgraded("/first")
            switch ending {
            case .closesEmpty: try await one.send(.close(nil))
            case .leaves: await one.finishSending()
            case .resets: await one.reset()
            case .breaksTheProtocol: try await one.send([0x83, 0x80, 0, 0, 0, 0])
            }
            let expected: RawClient.Frame =
                switch ending {
                case .closesEmpty: .close(nil)
                case .leaves: .close(.internalError)
                case .resets: .close(.internalError, "ECONNRESET")
                case .breaksTheProtocol: .close(.protocolError, "reserved opcode")
                }
            #expect(try await other.readFrame() == expected)
        }
    }

    @Test(
        "The payload of a ping is truncated to the size limit of a ping",
        arguments: [0, 125, 126, 70_000])
    func pings(size: Int) async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try await server.upgraded()
            let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
            try await recorder.connections.next().ping(payload)
            let frame = try await client.readFrame()
            #expect(frame == RawClient.Frame(first: 0x89, payload: Array(payload.prefix(125))))
        }
    }

    @Test("The close code of a stop must be one that a Close frame may contain")
    func drainCode() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.drain.closeCode = 1006
        } _: { server in
            let client = try await server.upgraded()
            _ = try await recorder.connections.next()
            server.server.stop()
            #expect(try await client.readFrame().closeCode == .internalError)
        }
    }
}
