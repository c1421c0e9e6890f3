import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// Most of these peers are in memory, where it is exact how much a network holds; two are real.
@Suite struct BackpressureTests {
    @Test("An async send waits for a peer that doesn't read, and continues when it reads")
    func asyncSend() async throws {
        let sent = Locked(0)
        let opened = Reports<Connection>()
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection.connection)
            for _ in 0..<200 {
                try await connection.send(Message([UInt8](repeating: 1, count: 50_000)))
                sent.withLock { $0 += 1 }
            }
        }
        try await withTestServer(router) { app in
            let client = try await app.open()
            await client.stall()
            await client.send(RawClient.upgradeRequest("/ws"))
            let connection = try await opened.next()
            let (queued, highWater) = await connection.onLoop {
                ($0.outboxCount, $0.options.outboxHighWater)
            }
            #expect(queued > highWater)
            // The last message that was queued is the one whose sender waits.
            #expect(sent.value + 1 == (WireConfiguration().capacity + queued) / 50_004)
            await client.resume()
            #expect(sent.value == 200)
            try await client.readHead()
            for _ in 0..<200 {
                #expect(try await client.readFrame().payload.count == 50_000)
            }
            #expect(try await client.readFrame() == .close(.normalClosure))
            await client.send(.close(.normalClosure))
            _ = try await client.readToEnd()
        }
    }

    @Test("A task on another thread waits as well")
    func asyncSendElsewhere() async throws {
        let (gate, received) = (Reports<Int>(), Locked(0))
        var router = Router()
        router.webSocket("/ws") { connection in
            _ = try await gate.next()
            for try await message in connection.messages {
                received.withLock { $0 += message.bytes.count }
            }
        }
        try await withServer(router) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                let sending = Task {
                    for _ in 0..<400 {
                        try await connection.send(Message([UInt8](repeating: 1, count: 50_000)))
                    }
                }
                try await connection.connection.until {
                    $0.outboxCount > $0.options.outboxHighWater
                }
                gate.add(1)
                try await sending.value
                try await within { while received.value < 400 * 50_000 { await Task.yield() } }
                #expect(await connection.close().code == .normalClosure)
            }
        }
    }

    @Test("A waiting send ends when the peer leaves")
    func asyncSendEnds() async throws {
        let (opened, ended) = (Reports<Connection>(), Reports<Bool>())
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection.connection)
            do {
                while true {
                    try await connection.send(Message([UInt8](repeating: 1, count: 50_000)))
                }
            } catch {
                ended.add(error is ConnectionClosed)
                throw error
            }
        }
        try await withTestServer(router) { app in
            let client = try await app.open()
            await client.stall()
            await client.send(RawClient.upgradeRequest("/ws"))
            #expect(ended.all.isEmpty)
            await client.cut()
            #expect(try await ended.next())
        }
    }

    @Test("A pause of the application outlasts that of a full queue")
    func ownPause() async throws {
        let (opened, gate) = (Reports<Connection>(), Reports<Int>())
        let received = Reports<Message>()
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection.connection)
            _ = try await gate.next()
            for try await message in connection.messages { received.add(message) }
        }
        try await withTestServer(router) { app in
            let client = try await app.upgraded()
            func send(_ numbers: Range<Int>) async {
                await client.send(numbers.flatMap { RawClient.Frame.text("\($0)").encoded() })
            }
            await send(0..<300)
            let connection = try await opened.next()
            #expect(await connection.onLoop { $0.pauseReasons == .queue })
            connection.pauseReading()
            // Stays unread while either reason holds.
            await send(300..<400)
            gate.add(1)
            for number in 0..<300 {
                #expect(try await received.next() == Message("\(number)"))
            }
            try await connection.until { $0.pauseReasons == .application }
            #expect(received.all.count == 300)
            connection.resumeReading()
            for number in 300..<400 {
                #expect(try await received.next() == Message("\(number)"))
            }
        }
    }

    @Test("A slow async handler pauses reading, and loses no message")
    func slowHandler() async throws {
        let (opened, gate) = (Reports<Connection>(), Reports<Int>())
        let received = Reports<Message>()
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection.connection)
            _ = try await gate.next()
            for try await message in connection.messages { received.add(message) }
        }
        try await withTestServer(router) { app in
            let client = try await app.upgraded()
            await client.send((0..<300).flatMap { RawClient.Frame.text("\($0)").encoded() })
            let connection = try await opened.next()
            #expect(await connection.onLoop { $0.pauseReasons.contains(.queue) })
            gate.add(1)
            for number in 0..<300 {
                #expect(try await received.next() == Message("\(number)"))
            }
            try await connection.until { $0.pauseReasons.isEmpty }
        }
    }

    @Test("An echo pauses reading above the high-water mark, and is informed when it has drained")
    func drains() async throws {
        let recorder = Recorder(echoes: true)
        try await withServer(.single(recorder)) {
            $0.limits.messageSizeMax = .mebibytes(16)
        } _: { server in
            let client = try await server.upgraded(receiveBuffer: 4_096)
            let connection = try await recorder.connections.next()
            // More than the kernel accepts.
            let frame = RawClient.Frame(first: 0x82, payload: .init(repeating: 1, count: 8 << 20))
            try await client.send(frame.encoded(key: [0, 0, 0, 0]))
            try await connection.until { $0.pauseReasons == .outbox }
            #expect(await connection.onLoop { $0.lifecycle.owesDrain })
            #expect(try await client.readFrame() == frame)
            try await recorder.events.next { $0 == .drained }
            try await connection.until { $0.outboxCount == 0 && $0.pauseReasons.isEmpty }
            #expect(await connection.onLoop { !$0.lifecycle.owesDrain })
            await client.close()
        }
    }

    @Test("A peer that leaves after its Close frame, with much still to be sent, isn't waited for")
    func goneBehindItsEnd() async throws {
        let recorder = Recorder()
        try await withTestServer(.single(recorder)) {
            $0.limits.closeTimeout = .seconds(3_600)
            $0.limits.outboxMax = .mebibytes(64)
        } _: { app in
            let client = try await app.upgraded()
            await client.stall()
            let connection = try await recorder.connections.next()
            await connection.onLoop { _ = Connection(core: $0).subscribe(to: "news") }
            let much = [UInt8](repeating: 1, count: 8 << 20)
            try await app.server.publish(
                Publication(much.span.bytes, as: .binary, to: "news"))
            await client.send(.close(1000))
            await client.finishSending()
            #expect(await connection.onLoop { $0.outboxCount > 0 && $0.hasEnded })
            #expect(app.server.connectionCount == 1)
            // With unread bytes, closing resets.
            await client.close()
            #expect(try await recorder.end() == .closed(1000, ""))
        }
    }

    @Test("A consumer beyond the hard limit is reset once, and others are still served")
    func slowConsumer() async throws {
        let (slow, quick) = (Recorder(), Recorder())
        var router = Router()
        router.upgrade("/slow") { _ in .accept(slow) }
        router.upgrade("/quick") { _ in .accept(quick) }
        try await withTestServer(router) { app in
            let slowClient = try await app.upgraded("/slow")
            await slowClient.stall()
            let quickClient = try await app.upgraded("/quick")
            let connections = [
                try await slow.connections.next(), try await quick.connections.next(),
            ]
            let payload = [UInt8](repeating: 1, count: 500_000)
            for _ in 0..<20 {
                for connection in connections { connection.send(payload) }
                _ = try await quickClient.readFrame()
            }
            #expect(try await slow.end() == .closed(.slowConsumer, "slow consumer"))
            await slowClient.resume()
            _ = try await slowClient.readToEnd(orReset: true)
            #expect(await app.server.counters().slowConsumers == 1)
        }
    }
}
