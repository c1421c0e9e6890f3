import Testing
import UVTransport
import WebSocketProtocol
import LiveTesting

@testable import WebSocketServer

/// Bytes that a connection has read and must process later, and peers that don't read their
/// answers.
@Suite("Pending bytes of a read") struct HeldTests {
    static let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"

    /// Returns a client's frame with a compressed message of `size` zero bytes.
    static func bomb(_ size: Int) -> [UInt8] {
        var deflater = Deflater(engine: .zlib, level: 9, windowBits: 15, memoryLevel: 8)
        let payload = [UInt8](repeating: 0, count: size)
        let deflated = [UInt8](unsafeUninitializedCapacity: Deflater.room(for: size)) {
            room, count in
            count = payload.withUnsafeBytes {
                deflater.compress($0, into: UnsafeMutableRawBufferPointer(room))!
            }
        }
        return RawClient.Frame(first: 0xC2, payload: deflated).encoded()
    }

    @Test("A read of compressed messages stops when an async handler's queue is full")
    func asyncQueue() async throws {
        let (gate, received, opened) = (Reports<Int>(), Locked(0), Reports<Connection>())
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection.connection)
            _ = try await gate.next()
            for try await message in connection.messages {
                #expect(message.bytes == zeros)
                received.withLock { $0 += 1 }
            }
        }
        try await withServer(router) { server in
            let client = try server.raw()
            try await client.upgrade("/ws", Self.offer)
            let connection = try await opened.next()
            let one = Self.bomb(1 << 20)
            let all = (0..<100).flatMap { _ in one }
            try await client.send(all)
            try await connection.until { $0.pauseReasons.contains([.queue, .held]) }
            let bytes = await connection.onLoop {
                $0.messageCounts.pointee.bytesReceived
            }
            #expect(bytes <= 8 << 20)
            gate.add(0)
            try await connection.until { _ in received.value == 100 }
            await client.close()
        }
    }

    @Test("A read that decompresses to much data is spread over turns, which others share")
    func turns() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try server.raw()
            try await client.upgrade("/ws", Self.offer)
            let connection = try await recorder.connections.next()
            let all = [[UInt8]](repeating: Self.bomb(1 << 20), count: 60).flatMap { $0 }
            let (first, reasons) = await connection.onLoop { core in
                var read = all
                read.withUnsafeMutableBytes {
                    core.receiveInPieces($0, of: ConnectionCore.pieceSizeInflating)
                }
                return (core.messageCounts.pointee.messagesReceived, core.pauseReasons)
            }
            #expect(first <= 8 && reasons == .held)
            try await connection.until { $0.messageCounts.pointee.messagesReceived == 60 }
            let isReading = await connection.onLoop {
                $0.guards?.unparsedBytes.isEmpty == true && $0.pauseReasons.isEmpty
            }
            #expect(isReading)
            await client.close()
        }
    }

    @Test(
        "When compression has used its share of a turn, all but short messages wait for the next"
    )
    func codecTime() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.limits.messageSizeMax = .mebibytes(4)
        } _: { server in
            var clients: [RawClient] = []
            var connections: [Connection] = []
            for _ in 0..<2 {
                let client = try server.raw()
                try await client.upgrade("/ws", Self.offer)
                clients.append(client)
                connections.append(try await recorder.connections.next())
            }
            let other = connections[1]
            // A short message that isn't compressed has no time limit of its own.
            let (large, small) = (Self.bomb(4 << 20), RawClient.Frame.text("x").encoded())
            #expect(large.count > TurnQueue.shortSize)
            let seen = await connections[0].onLoop { core in
                let resources = core.resources
                // Both connections have the same route.
                let counts = core.messageCounts
                let before = counts.pointee.messagesReceived
                var received: [UInt64] = []
                func receive(_ message: [UInt8], _ core: ConnectionCore) {
                    var message = message
                    message.withUnsafeMutableBytes { core.received($0) }
                    received.append(counts.pointee.messagesReceived - before)
                }
                receive(small, core)
                resources.codecs.counts.codecNanoseconds += 1_000_000_000
                receive(large, core)
                receive(small, other.core)
                return (received, core.pauseReasons, core.loop.readSize)
            }
            #expect(seen == ([1, 1, 2], .held, TurnQueue.readSize))
            try await connections[0].until {
                $0.messageCounts.pointee.messagesReceived == 3 && $0.pauseReasons.isEmpty
                    && $0.loop.readSize == EventLoop.readBufferSize
            }
            for client in clients { await client.close() }
        }
    }

    @Test("Connections within a message and others continue alternately, in their order of arrival")
    func codecQueue() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            var clients: [RawClient] = []
            var connections: [Connection] = []
            for _ in 0..<5 {
                let client = try server.raw()
                try await client.upgrade("/ws", Self.offer)
                clients.append(client)
                connections.append(try await recorder.connections.next())
            }
            let all = connections
            let order = await all[0].onLoop { _ in
                var begun = Array(Self.bomb(1 << 20).prefix(100))
                for index in [1, 3, 4] {
                    begun.withUnsafeMutableBytes { all[index].core.received($0) }
                }
                var turn = TurnQueue()
                for connection in all { turn.add(connection.core) }
                var order: [Int] = []
                while let next = turn.next() { order.append(all.firstIndex { $0.core === next }!) }
                return order
            }
            #expect(order == [1, 0, 3, 2, 4])
            for client in clients { await client.close() }
        }
    }

    @Test("A Close frame among pending bytes ends a connection that the server closes")
    func closeFrameHeld() async throws {
        let recorder = Recorder()
        try await withTestServer(.single(recorder)) {
            $0.limits.messageRateMax = 1
        } _: { app in
            let client = try await app.upgraded()
            let connection = try await recorder.connections.next()
            let message = RawClient.Frame(first: 0x82, payload: [UInt8](repeating: 1, count: 100))
            let messages = (0..<40).flatMap { _ in message.encoded() }
            await client.send(messages + RawClient.Frame.close(.normalClosure).encoded())
            #expect(await connection.onLoop { $0.guards?.unparsedBytes.isEmpty == false })
            connection.close(.goingAway)
            #expect(try await client.readFrame() == .close(.goingAway))
            #expect(try await recorder.end() == .closed(.normalClosure, ""))
            // It isn't in the timer's list any more, which the close timeout would walk.
            let other = try await app.upgraded()
            await app.advance(by: Limits().closeTimeout * 2)
            #expect(await other.end == nil)
        }
    }

    @Test("A peer that doesn't read its answers receives no further ones until it does")
    func pipelining() async throws {
        var router = Router()
        let answered = Locked(0)
        let text = String(repeating: "x", count: 50_000)
        router.get("/") { _ in
            answered.withLock { $0 += 1 }
            return .text(text)
        }
        try await withServer(router) { server in
            let client = try server.raw(receiveBuffer: 4_096)
            let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            try await client.send(String(repeating: request, count: 1_000))
            // The kernel's buffers accept some answers; then they stop.
            try await within(.seconds(120), "answers") {
                while answered.value < 2 { await Task.yield() }
            }
            var before = -1
            while before != answered.value {
                before = answered.value
                for _ in 0..<50 { _ = await server.server.counters() }
            }
            #expect(before < 1_000)
            for _ in 0..<1_000 { #expect(try await client.readResponse().body == text) }
            #expect(answered.value == 1_000)
            await client.close()
        }
    }
}
