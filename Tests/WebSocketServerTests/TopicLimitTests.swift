import Dispatch
import TestSupport
import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// The limits of what many subscribers or many publications can make a server do.
@Suite("Limits of topics") struct TopicLimitTests {
    private final class Listener: ConnectionHandler, Sendable {
        func onOpen(_ connection: Connection) {
            connection.subscribe(to: "news")
            connection.send("ready")
        }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {}
    }

    @Test("Subscribers with smaller windows share a frame for each window size")
    func smallWindows() async throws {
        let text = (0..<400).map { #"{"id":\#($0),"price":\#($0 * 7919 % 1000)}"# }.joined()
        try await withServer(.single(Listener())) { server in
            var clients: [(client: RawClient, bits: Int)] = []
            for bits in [9, 9, 9, 11, 11, 12, 15] {
                let client = try server.raw()
                let offer = "permessage-deflate; server_max_window_bits=\(bits)"
                let head = try await client.upgrade(
                    "/ws", "Sec-WebSocket-Extensions: \(offer)\r\n")
                #expect(head.contains("server_max_window_bits=\(min(bits, 12))"))
                #expect(try await client.readFrame() == .text("ready"))
                clients.append((client, bits))
            }
            try await server.server.publish(
                Publication([UInt8](text.utf8).span.bytes, as: .text, to: "news"))
            for (client, bits) in clients {
                let frame = try await client.readFrame()
                #expect(frame.first == 0xC1)
                // A peer with this window refuses references that go farther back.
                let inflater = RawInflater(windowBits: bits)
                let isRight = withExtendedLifetime(inflater) {
                    frame.payload.withUnsafeBytes {
                        inflater.inflate($0).map { $0.elementsEqual(text.utf8) }
                    }
                }
                #expect(isRight == true, "\(bits) bits")
                await client.close()
            }
            // Two for the windows of 9 and 11, one for those with the server's own.
            #expect(await server.server.counters().compression.messagesDeflated == 3)
        }
    }

    @Test("A short publication is compressed once for all windows")
    func shortPayload() async throws {
        let text = String(repeating: "swift ", count: 80)
        try await withServer(.single(Listener())) { server in
            var clients: [RawClient] = []
            for bits in [9, 10, 11] {
                let client = try server.raw()
                let offer = "permessage-deflate; server_max_window_bits=\(bits)"
                try await client.upgrade("/ws", "Sec-WebSocket-Extensions: \(offer)\r\n")
                #expect(try await client.readFrame() == .text("ready"))
                clients.append(client)
            }
            try await server.server.publish(
                Publication([UInt8](text.utf8).span.bytes, as: .text, to: "news"))
            for client in clients {
                #expect(try await client.readFrame().first == 0xC1)
                await client.close()
            }
            #expect(await server.server.counters().compression.messagesDeflated == 1)
        }
    }

    @Test(
        "Publications that wait for a busy loop are limited: more are refused until it is idle",
        arguments: [false, true])
    func overload(publishesByBroker: Bool) async throws {
        let (busy, free) = (Reports<Int>(), DispatchSemaphore(value: 0))
        let recorder = Recorder()
        var router = Router()
        router.webSocket("/ws") { _ in .accept(Listener()) }
        router.webSocket("/busy") { _ in .accept(recorder) }
        let broker = MemoryBroker()
        try await withServer(router, broker: broker) {
            $0.topics.backlogMax = .mebibytes(1)
            $0.limits.outboxMax = .mebibytes(64)
        } _: { server in
            let client = try await server.upgraded()
            #expect(try await client.readFrame() == .text("ready"))
            let other = try await server.upgraded("/busy")
            let connection = try await recorder.connections.next()
            // Blocks the only loop until it is released.
            connection.core.loop.execute {
                busy.add(0)
                free.wait()
            }
            _ = try await busy.next()
            let payload = [UInt8](repeating: 7, count: 64 << 10)
            func publish() async throws(BrokerError) {
                let publication = Publication(payload.span.bytes, as: .binary, to: "news")
                if publishesByBroker {
                    try await broker.publish(publication)
                } else {
                    try await server.server.publish(publication)
                }
            }
            var taken = 0
            do {
                while taken < 1_000 {
                    try await publish()
                    taken += 1
                }
            } catch let error as BrokerError { #expect(error.code == .unavailable) }
            free.signal()
            #expect(15...17 ~= taken)
            for _ in 0..<taken { #expect(try await client.readFrame().payload == payload) }
            try await publish()
            #expect(try await client.readFrame().payload == payload)
            // Every publisher was answered, so no subscriber has missed anything.
            #expect(await server.server.counters().brokerGaps == 0)
            await other.close()
            await client.close()
        }
    }
}
