import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

@Suite struct LifecycleTests {
    @Test(
        "A handler is informed of the opening, of messages in order, and of one close",
        arguments: [1, 3])
    func order(loops: Int) async throws {
        let recorder = Recorder(echoes: true)
        try await withServer(.single(recorder)) {
            $0.loops = loops
        } _: { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                for number in 0..<200 { try await connection.send("\(number)") }
                try await connection.send(Message([0, 255], as: .binary))
                for number in 0..<200 {
                    #expect(await connection.receive() == Message("\(number)"))
                }
                #expect(await connection.receive() == Message([0, 255]))
                let end = await connection.close(.normalClosure, reason: "bye")
                #expect(end.code == .normalClosure)
                #expect(await connection.receive() == nil)
            }
            #expect(try await recorder.end() == .closed(.normalClosure, "bye"))
            #expect(recorder.events.all.count == 203)
            let counters = await server.server.counters()
            #expect(counters.opened == 1 && counters.closedTotal == 1)
            #expect(
                counters.messages.messagesReceived == 201 && counters.messages.messagesSent == 201)
        }
    }

    enum Ending: String, CaseIterable, Sendable {
        case peerCloses, peerClosesEmpty, peerCloses4001, weClose, peerResets, peerLeaves
        case protocolError, invalidText
    }

    @Test("The handler is informed once how the connection ended", arguments: Ending.allCases)
    func endings(ending: Ending) async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try await server.upgraded()
            let connection = try await recorder.connections.next()
            let expected: HandlerEvent
            var answer: RawClient.Frame?
            switch ending {
            case .peerCloses:
                try await client.send(.close(.goingAway, "away"))
                (expected, answer) = (.closed(.goingAway, "away"), .close(.goingAway))
            case .peerClosesEmpty:
                try await client.send(.close(nil))
                (expected, answer) = (.closed(.noStatusReceived, ""), .close(nil))
            case .peerCloses4001:
                try await client.send(.close(4001))
                (expected, answer) = (.closed(4001, ""), .close(4001))
            case .weClose:
                connection.close(.goingAway, reason: "stop")
                #expect(try await client.readFrame() == .close(.goingAway, "stop"))
                try await client.send(.close(.goingAway))
                expected = .closed(.goingAway, "stop")
            case .peerResets:
                await client.reset()
                expected = .closed(.abnormalClosure, "ECONNRESET")
            case .peerLeaves:
                await client.finishSending()
                expected = .closed(.abnormalClosure, "")
            case .protocolError:
                try await client.send([0x83, 0x80, 0, 0, 0, 0])
                (expected, answer) = (
                    .closed(.protocolError, "reserved opcode"),
                    .close(.protocolError, "reserved opcode")
                )
            case .invalidText:
                try await client.send(RawClient.Frame(first: 0x81, payload: [0xFF]))
                (expected, answer) = (
                    .closed(.invalidPayload, "text is not UTF-8"),
                    .close(.invalidPayload, "text is not UTF-8")
                )
            }
            if let answer { #expect(try await client.readFrame() == answer) }
            if ending != .peerResets { #expect(try await client.readToEnd() == []) }
            await client.close()
            #expect(try await recorder.end() == expected)
            #expect(connection.send("late") == .accepted)
            let outcome = await connection.onLoop { Connection(core: $0).send("late") }
            #expect(outcome == .dropped)
        }
    }

    @Test("A Close frame without an answer is waited for no longer than the timeout")
    func closeTimeout() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.limits.closeTimeout = .milliseconds(100)
        } _: { server in
            let client = try await server.upgraded()
            try await recorder.connections.next().close(.normalClosure, reason: "over")
            #expect(try await client.readFrame() == .close(.normalClosure, "over"))
            try await client.send(.text("not an answer"))
            #expect(try await client.readToEnd(orReset: true) == [])
            #expect(try await recorder.end() == .closed(.normalClosure, "over"))
            #expect(recorder.events.all.count == 2)
            #expect(await server.server.counters().closeTimeouts == 1)
        }
    }

    @Test("Messages before a Close frame arrive before it, however slow the reader")
    func dataBeforeClose() async throws {
        let payload = [UInt8](repeating: 7, count: 3_000_000)
        var router = Router()
        router.webSocket("/ws") { connection in
            connection.connection.send(payload)
            connection.connection.send("last")
        }
        try await withServer(router) { server in
            let client = try await server.upgraded(receiveBuffer: 4_096)
            #expect(try await client.readFrame().payload == payload)
            #expect(try await client.readFrame() == .text("last"))
            #expect(try await client.readFrame() == .close(.normalClosure))
            try await client.send(.close(.normalClosure))
            #expect(try await client.readToEnd() == [])
        }
    }

    @Test("Echoes that the kernel can't accept yet still precede the answer to a Close frame")
    func echoesBeforeClose() async throws {
        try await withServer(.echo) {
            $0.limits.outboxMax = .mebibytes(64)
        } _: { server in
            let client = try await server.upgraded(receiveBuffer: 4_096)
            let frame = RawClient.Frame(first: 0x82, payload: .init(repeating: 1, count: 50_000))
            let all = (0..<60).flatMap { _ in frame.encoded(key: [0, 0, 0, 0]) }
            let close = RawClient.Frame.close(.normalClosure)
            try await client.send(all + close.encoded())
            for _ in 0..<60 { #expect(try await client.readFrame() == frame) }
            #expect(try await client.readFrame() == close)
            #expect(try await client.readToEnd() == [])
        }
    }

    @Test("Messages of one thread arrive in its order, from any number of threads")
    func threads() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                let sender = try await recorder.connections.next()
                await withTaskGroup(of: Void.self) { tasks in
                    for thread in 0..<4 {
                        tasks.addTask {
                            for number in 0..<300 { sender.send("\(thread) \(number)") }
                        }
                    }
                }
                var next = [0, 0, 0, 0]
                for _ in 0..<1_200 {
                    let message = try #require(await connection.receive())
                    let parts = message.text.split(separator: " ").compactMap { Int($0) }
                    #expect(next[parts[0]] == parts[1])
                    next[parts[0]] += 1
                }
                await connection.close()
            }
        }
    }

    @Test("Connections of a Unix-domain listener go to all loops in turn")
    func unixLoops() async throws {
        let path = "/tmp/apus-test-\(UInt32.random(in: 0 ... .max)).sock"
        let recorder = Recorder(echoes: true)
        try await withServer(.single(recorder)) {
            $0.addresses = [.unix(path: path)]
            $0.loops = 3
        } _: { server in
            var loops: [ObjectIdentifier: Int] = [:]
            for _ in 0..<6 {
                let client = try await server.upgraded()
                let connection = try await recorder.connections.next()
                loops[ObjectIdentifier(connection.core.loop), default: 0] += 1
                try await client.send(.text("here"))
                #expect(try await client.readFrame() == .text("here"))
            }
            #expect(loops.values.sorted() == [2, 2, 2])
        }
    }
}
