import TestSupport
import Testing
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

@Suite("permessage-deflate, end to end") struct CompressionTests {
    typealias Frame = RawClient.Frame

    static let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    static let json = (0..<12).map { (n: Int) -> String in
        #"{"symbol":"S\#(n * n)","bid":\#(101 + n).25,"ask":\#(97 * n).5,"size":\#(300 - n)}"#
    }.joined()

    static let settings: [Compression] = {
        var all: [Compression] = []
        for engine in [Compression.Engine.automatic, .zlib] {
            for takeover in [Compression.ContextTakeover.off, .perConnection] {
                for allowsPeer in [false, true] {
                    var compression = Compression()
                    compression.engine = engine
                    compression.contextTakeover = takeover
                    compression.allowsPeerContextTakeover = allowsPeer
                    all.append(compression)
                }
            }
        }
        return all
    }()

    @Test("Client and server understand each other", arguments: settings)
    func roundTrips(compression: Compression) async throws {
        try await withServer(.echo) {
            $0.compression = compression
        } _: { server in
            try await withClient(compression: compression) { client in
                let connection = try await client.connect(to: server.url("/ws"))
                for round in 0..<20 {
                    for size in [0, 1, 255, 256, 257, 5_000, 70_000, 300_000] {
                        let text = String("\(round) \(Self.json)".utf8.prefix(size))!
                        let noise = (0..<size).map { _ in UInt8.random(in: 0...255) }
                        try await connection.send(text)
                        try await connection.send(Message(noise, as: .binary))
                        #expect(await connection.receive() == Message(text))
                        #expect(await connection.receive() == Message(noise, as: .binary))
                    }
                }
                await connection.close()
            }
            let counts = await server.server.counters().compression
            #expect(counts.agreed == 1)
            #expect(counts.contexts == 0)
            #expect(counts.messagesDeflated > 60)
            #expect(counts.messagesInflated == counts.messagesDeflated)
            #expect(counts.bytesBeforeDeflate == counts.bytesAfterInflate)
            #expect(counts.bytesAfterDeflate * 3 < counts.bytesBeforeDeflate)
            #expect(counts.messagesSentIncompressible > 0)
            #expect(counts.codecNanoseconds > 0)
        }
    }

    @Test("A message is compressed from the threshold on, whatever came before in the turn")
    func threshold() async throws {
        try await withServer(.echo) {
            $0.compression.threshold = .bytes(100)
        } _: { server in
            let client = try server.raw()
            try await client.upgrade("/ws", Self.offer)
            let text = String(Self.json.prefix(100))
            let below = Frame.text(String(text.prefix(99)))
            try await client.send(below.encoded() + Frame.text(text).encoded() + below.encoded())
            #expect(try await client.readFrame() == below)
            #expect(try await client.readFrame().first == 0xC1)
            #expect(try await client.readFrame() == below)
            await client.close()
        }
    }

    @Test("Without the extension, nothing is compressed, and compressed messages are refused")
    func notAgreed() async throws {
        try await withServer(.echo) {
            $0.compression.isEnabled = false
        } _: { server in
            let client = try server.raw()
            #expect(try await !client.upgrade("/ws", Self.offer).contains("Extensions"))
            try await client.send(.text(Self.json))
            #expect(try await client.readFrame() == .text(Self.json))
            try await client.send(
                Frame(first: 0xC1, payload: [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 7, 0]))
            #expect(try await client.readFrame().closeCode == .protocolError)
            await client.close()
        }
    }

    @Test("A secret can be sent uncompressed")
    func uncompressed() async throws {
        var router = Router()
        final class Sender: ConnectionHandler, Sendable {
            func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
                connection.sendUncompressed(payload, as: kind)
                connection.send(payload, as: kind)
            }
        }
        router.webSocket("/ws") { _ in .accept(Sender()) }
        try await withServer(router) { server in
            let client = try server.raw()
            try await client.upgrade("/ws", Self.offer)
            try await client.send(.text(Self.json))
            #expect(try await client.readFrame() == .text(Self.json))
            #expect(try await client.readFrame().first == 0xC1)
            await client.close()
        }
    }

    @Test("Beyond the memory for contexts, connections work without one and are counted")
    func budget() async throws {
        var compression = Compression()
        compression.contextTakeover = .perConnection
        compression.allowsPeerContextTakeover = true
        compression.memoryMax = .kibibytes(50)  // One connection's 4 and 32 KiB, and a reserve.
        try await withServer(.echo) { [compression] in
            $0.compression = compression
            $0.loops = 1
        } _: { server in
            func answer() async throws -> (RawClient, String) {
                let client = try server.raw()
                return (client, try await client.upgrade("/ws", Self.offer))
            }
            let without = "permessage-deflate; server_no_context_takeover; client_no_context"
            let (first, one) = try await answer()
            #expect(one.contains("permessage-deflate\r\n"))
            let (second, two) = try await answer()
            #expect(two.contains(without))
            #expect(await server.server.counters().compression.contextsRefused == 1)
            #expect(await server.server.counters().compression.contexts == 2)
            try await first.send(.close(.normalClosure))
            _ = try await first.readToEnd()
            await first.close()
            let (third, three) = try await answer()
            #expect(three.contains("permessage-deflate\r\n"))
            for client in [second, third] { await client.close() }
        }
    }

    @Test("An idle context is freed, and the next message is compressed alone")
    func rest() async throws {
        let recorder = Recorder(echoes: true)
        try await withServer(.single(recorder)) {
            $0.compression.contextTakeover = .perConnection
            $0.compression.contextIdleTimeout = .milliseconds(50)
            $0.heartbeat.interval = nil
        } _: { server in
            let client = try server.raw()
            try await client.upgrade("/ws", Self.offer)
            let connection = try await recorder.connections.next()
            // Two messages in one read, so the context isn't idle between them.
            let twice = Frame.text(Self.json).encoded() + Frame.text(Self.json).encoded()
            var alone: Frame?
            for _ in 0..<2 {
                try await client.send(twice)
                let first = try await client.readFrame()
                #expect(try await client.readFrame().payload.count * 2 < first.payload.count)
                #expect(first == alone ?? first)
                alone = first
                try await connection.until { $0.compression?.hasSendContext == false }
                #expect(await connection.onLoop { $0.resources.codecs.budget.bytesUsed } == 0)
            }
            await client.close()
        }
    }

    @Test("The idle context of a subscriber is freed, and later publications are read")
    func restOfSubscriber() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.compression.contextTakeover = .perConnection
            $0.compression.contextIdleTimeout = .milliseconds(50)
        } _: { server in
            let client = try server.raw()
            try await client.upgrade("/ws", Self.offer)
            let connection = try await recorder.connections.next()
            let hasOwn = await connection.onLoop { core in
                Connection(core: core).subscribe(to: "news")
                return core.subscriber?.mode == .ownContext
            }
            #expect(hasOwn)
            let inflater = RawInflater(windowBits: 15)
            var alone: Frame?
            for _ in 0..<3 {
                // Two publications in one turn, so the context isn't idle between them.
                await connection.onLoop { core in
                    for _ in 0..<2 { Connection(core: core).publish(Self.json, to: "news") }
                }
                let frames = [try await client.readFrame(), try await client.readFrame()]
                #expect(frames[1].payload.count * 2 < frames[0].payload.count)
                #expect(frames[0] == alone ?? frames[0])
                alone = frames[0]
                for frame in frames {
                    #expect(frame.first == 0xC1)
                    let text = frame.payload.withUnsafeBytes { payload in
                        inflater.inflate(payload).map { String(decoding: $0, as: UTF8.self) }
                    }
                    #expect(text == Self.json)
                }
                try await connection.until { $0.compression?.hasSendContext == false }
                #expect(await connection.onLoop { $0.resources.codecs.budget.bytesUsed } == 0)
            }
            await client.close()
        }
    }

    @Test("A route may have its own limits, heartbeat and compression")
    func perRoute() async throws {
        var router = Router.echo
        let recorder = Recorder(echoes: true)
        router.webSocket("/small") {
            $0.compression.isEnabled = false
            $0.limits.messageSizeMax = .bytes(10)
        } upgrade: { _ in
            .accept(recorder)
        }
        try await withServer(router) { server in
            let client = try server.raw()
            #expect(try await !client.upgrade("/small", Self.offer).contains("Extensions"))
            try await client.send(.text("0123456789"))
            #expect(try await client.readFrame() == .text("0123456789"))
            try await client.send(.text("0123456789x"))
            #expect(try await client.readFrame().closeCode == .messageTooBig)
            let other = try server.raw()
            #expect(try await other.upgrade("/ws", Self.offer).contains("Extensions"))
            try await other.send(.text("0123456789x"))
            #expect(try await other.readFrame() == .text("0123456789x"))
            for client in [client, other] { await client.close() }
        }
    }

    @Test("The rates of a route are its own")
    func ratesPerRoute() async throws {
        var router = Router.echo
        let recorder = Recorder(echoes: true)
        router.webSocket("/slow") {
            $0.limits.messageRateMax = 3
            $0.limits.ratePolicy = .close
        } upgrade: { _ in
            .accept(recorder)
        }
        try await withServer(router) { server in
            let slow = try await server.upgraded("/slow")
            let other = try await server.upgraded()
            // One beyond the burst, in one read, so no token is added between them.
            let frames = (0..<4).map { Frame.text("\($0)") }
            for client in [slow, other] {
                try await client.send(frames.flatMap { $0.encoded() })
                for frame in frames { #expect(try await client.readFrame() == frame) }
            }
            #expect(try await slow.readFrame().closeCode == .policyViolation)
            try await other.send(.text("on"))
            #expect(try await other.readFrame() == .text("on"))
            #expect(await server.server.counters().limits.messageRate == 1)
            for client in [slow, other] { await client.close() }
        }
    }

    @Test("The heartbeat of a route is its own")
    func heartbeatPerRoute() async throws {
        var router = Router.echo
        let recorder = Recorder()
        router.webSocket("/beating") {
            $0.heartbeat.interval = .milliseconds(100)
            $0.heartbeat.timeout = .seconds(60)
        } upgrade: { _ in
            .accept(recorder)
        }
        try await withServer(router) { server in
            let other = try await server.upgraded()
            let beating = try await server.upgraded("/beating")
            for _ in 0..<2 {
                #expect(try await beating.readFrame() == Frame(first: 0x89))
                try await beating.send(Frame(first: 0x8A))
            }
            // The silence was longer than the interval, so a ping would come before the echo.
            try await other.send(.text("on"))
            #expect(try await other.readFrame() == .text("on"))
            for client in [beating, other] { await client.close() }
        }
    }

    /// Returns a message compressed alone, by a server with default values except the level.
    static func deflated(_ text: String, level: Int) -> [UInt8] {
        var compression = Compression()
        compression.level = level
        var deflater = Deflater(
            engine: compression.deflateEngine, level: level,
            windowBits: compression.serverWindowBits, memoryLevel: compression.memoryLevel)
        let payload = [UInt8](text.utf8)
        return [UInt8](unsafeUninitializedCapacity: Deflater.room(for: payload.count)) {
            room, count in
            count = payload.withUnsafeBytes {
                deflater.compress($0, into: UnsafeMutableRawBufferPointer(room))!
            }
        }
    }

    @Test("The memory of contexts and codecs is counted")
    func memory() async throws {
        try await withServer(.echo) {
            $0.compression.contextTakeover = .perConnection
            $0.compression.allowsPeerContextTakeover = true
        } _: { server in
            func counts() async -> CompressionCounts { await server.server.counters().compression }
            #expect(await counts() == CompressionCounts())
            let client = try server.raw()
            try await client.upgrade("/ws", Self.offer)
            let sizes = [12, 15].map { DeflateHistory.memorySizeMax(windowBits: $0) }
            let agreed = await counts()
            #expect(agreed.contexts == 2)
            #expect(agreed.contextBytes == 0)
            #expect(agreed.contextBytesReserved == sizes[0] + sizes[1])
            #expect(agreed.codecBytes > 32 << 10)

            // Sent messages are kept, received plain ones aren't.
            try await client.send(.text(Self.json))
            _ = try await client.readFrame()
            let sent = await counts()
            #expect(Self.json.utf8.count...sizes[0] ~= sent.contextBytes)
            #expect(sent.codecBytes > agreed.codecBytes)
            let compressed = Self.deflated(String(repeating: Self.json, count: 100), level: 1)
            for _ in 0..<2 {
                try await client.send(Frame(first: 0xC1, payload: compressed))
                _ = try await client.readFrame()
            }
            let full = await counts()
            #expect(full.contextBytes == sizes[0] + sizes[1])
            #expect(full.contextBytesReserved == full.contextBytes)

            try await client.send(.close(.normalClosure))
            _ = try await client.readToEnd()
            await client.close()
            let after = await counts()
            #expect(after.contexts == 0)
            #expect(after.contextBytes == 0)
            #expect(after.contextBytesReserved == 0)
            #expect(after.codecBytes >= agreed.codecBytes)
        }
    }
}
