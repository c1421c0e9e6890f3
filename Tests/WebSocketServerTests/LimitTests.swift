import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

@Suite struct LimitTests {
    typealias Frame = RawClient.Frame

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let configure: @Sendable (inout Limits) -> Void
        let within: [Frame]
        let past: [Frame]
        let code: CloseCode
        /// The counter that counts one event, while all others stay zero.
        let hits: @Sendable (LimitCounts) -> UInt64
    }

    private static func bytes(_ count: Int, first: UInt8 = 0x82) -> Frame {
        Frame(first: first, payload: .init(repeating: 1, count: count))
    }

    static let cases: [Case] = [
        Case(
            testDescription: "message", configure: { $0.messageSizeMax = .bytes(1_000) },
            within: [bytes(1_000)], past: [bytes(1_001)], code: .messageTooBig,
            hits: { $0.messageSize }),
        Case(
            testDescription: "message in frames",
            configure: { $0.messageSizeMax = .bytes(1_000) },
            within: [bytes(600, first: 0x02), bytes(400, first: 0x80)],
            past: [bytes(600, first: 0x02), bytes(401, first: 0x80)], code: .messageTooBig,
            hits: { $0.messageSize }),
        Case(
            testDescription: "frame", configure: { $0.frameSizeMax = .bytes(200) },
            within: [bytes(200, first: 0x02), bytes(200, first: 0x80)],
            past: [bytes(201, first: 0x02)], code: .messageTooBig, hits: { $0.frameSize }),
        Case(
            testDescription: "fragments", configure: { $0.fragmentsMax = 3 },
            within: [bytes(1, first: 0x02), bytes(0, first: 0), bytes(1, first: 0x80)],
            past: [bytes(1, first: 0x02)] + .init(repeating: bytes(0, first: 0), count: 3),
            code: .messageTooBig, hits: { $0.fragments }),
        Case(
            testDescription: "assembly",
            configure: {
                $0.messageSizeMax = .bytes(8_192)
                $0.assemblySizeMax = .bytes(8_192)
            },
            within: [bytes(4_096, first: 0x02), bytes(4_096, first: 0x80)],
            past: [bytes(8_000, first: 0x02)], code: .tryAgainLater, hits: { $0.assemblySize }),
    ]

    @Test("Values at a limit pass, and one beyond it is answered with its code", arguments: cases)
    func past(limit: Case) async throws {
        let recorder = Recorder()
        try await withTestServer(.single(recorder)) {
            limit.configure(&$0.limits)
        } _: { app in
            let client = try await app.upgraded()
            for frame in limit.within { await client.send(frame) }
            let size = limit.within.reduce(0) { $0 + $1.payload.count }
            try await recorder.events.next {
                if case .message(let message) = $0 { message.bytes.count == size } else { false }
            }
            if limit.testDescription == "assembly" {
                // Another connection uses most of the shared budget.
                let other = try await app.upgraded()
                await other.send(Self.bytes(5_000, first: 0x02))
                _ = try await recorder.connections.next()
                try await recorder.connections.next().until {
                    $0.resources.assemblies.outstanding == 1
                }
                for frame in limit.past { await client.send(frame) }
                #expect(try await client.readFrame().closeCode == limit.code)
            } else {
                for frame in limit.past { await client.send(frame) }
                #expect(try await client.readFrame().closeCode == limit.code)
            }
            _ = try await client.readToEnd()
            let counters = await app.server.counters()
            // The other connection had the most, and is closed for later messages.
            let total = limit.testDescription == "assembly" ? 2 : 1
            #expect(counters.failedByCode == [limit.code.rawValue: total])
            #expect(limit.hits(counters.limits) == 1)
            #expect(counters.limits.total == total)
        }
    }

    @Test("A message may decompress to the size limit; a larger one is answered with 1009")
    func bomb() async throws {
        let recorder = Recorder()
        try await withTestServer(.single(recorder)) {
            $0.limits.messageSizeMax = .bytes(10_000)
        } _: { app in
            let client = try await app.open()
            try await client.upgrade("/ws", CompressionTests.offer)
            let text = String(repeating: "x", count: 10_000)
            for text in [text, text + "x"] {
                let payload = CompressionTests.deflated(text, level: 1)
                await client.send(Frame(first: 0xC1, payload: payload))
            }
            try await recorder.events.next { $0 == .message(Message(text)) }
            #expect(try await client.readFrame().closeCode == .messageTooBig)
            _ = try await client.readToEnd()
            let counters = await app.server.counters()
            #expect(counters.failedByCode == [CloseCode.messageTooBig.rawValue: 1])
            #expect(counters.limits.inflatedSize == 1)
            #expect(counters.limits.total == 1)
        }
    }

    @Test(
        "A request beyond a limit is answered with its status",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 600))\r\n\r\n", 431),
            ("GET /\(String(repeating: "x", count: 600)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
            ("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n", 431),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", 413),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n"
                    + String(repeating: "x", count: 101), 413
            ),
            ("GET / HTTP/1.1\r\nHost:", 408),
        ])
    func requests(request: String, status: Int) async throws {
        var router = Router()
        router.post("/") { _ in .text("ok") }
        try await withTestServer(router) {
            $0.limits.handshakeSizeMax = .bytes(512)
            $0.limits.handshakeHeadersMax = 4
            $0.limits.bodySizeMax = .bytes(100)
        } _: { app in
            let client = try await app.open()
            await client.send(request)
            // One of them isn't complete.
            await app.advance(by: .seconds(10))
            #expect(try await client.readHead().hasPrefix("HTTP/1.1 \(status) "))
            _ = try await client.readToEnd()
        }
    }

    @Test(
        "One connection too many gets 1008, and past the headroom 503", arguments: [false, true])
    func admission(isPerAddress: Bool) async throws {
        try await withTestServer(.echo) {
            if isPerAddress {
                $0.limits.connectionsPerAddressMax = 2
            } else {
                $0.limits.connectionsMax = 2
            }
        } _: { app in
            let first = try await app.upgraded()
            let second = try await app.upgraded()
            let third = try await app.upgraded()
            #expect(try await third.readFrame() == .close(.policyViolation, "too many connections"))
            // It is still open: the next connection is beyond the headroom of one.
            let fourth = try await app.open()
            await fourth.send(RawClient.upgradeRequest("/ws"))
            let response = String(decoding: try await fourth.readToEnd(), as: UTF8.self)
            #expect(response.hasPrefix("HTTP/1.1 503 "))
            #expect(response.lowercased().contains("retry-after: "))
            await fourth.close()
            await third.send(.close(.policyViolation))
            _ = try await third.readToEnd()
            await third.close()
            await first.close()
            #expect(app.server.connectionCount == 1)
            let fifth = try await app.upgraded()
            for client in [second, fifth] {
                await client.send(.text("still"))
                #expect(try await client.readFrame() == .text("still"))
            }
            let counters = await app.server.counters()
            #expect(counters.refusedByLimit == 1 && counters.refusedByHeadroom == 1)
            #expect(counters.closedByCode[1008] == 1)
        }
    }
}

extension LimitCounts {
    /// The sum of all counters of limits.
    fileprivate var total: UInt64 { SessionLimit.allCases.reduce(0) { $0 + self[$1] } }
}
