import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// The tasks of `async` handlers end before the server does, and end when they are cancelled.
@Suite("The end of async tasks") struct TaskEndTests {
    /// Cleans up, even in a cancelled task, once the stop of the server waits for the task.
    private static func cleanUp(_ cleaned: Locked<Int>, on loop: LoopResources) async throws {
        try await within(.seconds(120), "a stop that waits for tasks") {
            while await !loop.onLoop({ $0.tasks.isScheduled }) { try Task.checkCancellation() }
        }
        cleaned.withLock { $0 += 1 }
    }

    /// A broker that notes how many handlers had cleaned up when it was stopped.
    private final class LastService: Broker {
        private let base = MemoryBroker()
        private let cleaned: Locked<Int>
        let cleanedBefore = Locked<Int?>(nil)

        init(_ cleaned: Locked<Int>) { self.cleaned = cleaned }

        var health: BrokerHealth { base.health }
        func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {
            base.start(receive)
        }
        func publish(
            _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
        ) { base.publish(publication, completion: completion) }
        func subscribe(to topic: String) {}
        func unsubscribe(from topic: String) {}
        func stop() async {
            cleanedBefore.withLock { $0 = cleaned.value }
            await base.stop()
        }
    }

    @Test("A stop waits until the handlers of connections have cleaned up", arguments: [1, 2])
    func cleanup(loops: Int) async throws {
        let (cleaned, opened) = (Locked(0), Reports<Int>())
        let broker = LastService(cleaned)
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(1)
            for try await _ in connection.messages {}
            try await Self.cleanUp(cleaned, on: connection.connection.core.resources)
        }
        try await withServer(router, broker: broker) {
            $0.loops = loops
            $0.drain.deadline = .seconds(120)
        } _: { server in
            for _ in 0..<3 {
                let client = try await server.upgraded()
                _ = try await opened.next()
                await client.close()
            }
        }
        #expect(cleaned.value == 3)
        #expect(broker.cleanedBefore.value == 3)
    }

    /// A handler that cleans up in a task once its connection is closed.
    private final class Cleaner: ConnectionHandler, Sendable {
        private let cleaned: Locked<Int>

        init(_ cleaned: Locked<Int>) { self.cleaned = cleaned }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {}

        func onClose(_ connection: Connection, code: CloseCode, reason: String) {
            connection.task { [cleaned] in
                try await TaskEndTests.cleanUp(cleaned, on: connection.core.resources)
            }
        }
    }

    @Test("A stop waits for the tasks that handlers start by `Connection.task`")
    func handlerTasks() async throws {
        let cleaned = Locked(0)
        let broker = LastService(cleaned)
        var router = Router()
        router.upgrade("/ws") { _ in .accept(Cleaner(cleaned)) }
        try await withServer(router, broker: broker) {
            $0.drain.deadline = .seconds(120)
        } _: { server in
            let client = try await server.upgraded()
            await client.close()
        }
        #expect(cleaned.value == 1)
        #expect(broker.cleanedBefore.value == 1)
    }

    @Test(
        "A request's handler is cancelled at the deadline, and has a moment to clean up",
        arguments: [false, true])
    func requests(isStreamed: Bool) async throws {
        let (cleaned, waiting, loop) = (Locked(0), Waiting(), Locked<LoopResources?>(nil))
        let wait: @Sendable () async throws -> Void = {
            do {
                try await waiting.wait()
            } catch {
                if let loop = loop.value { try await Self.cleanUp(cleaned, on: loop) }
                throw error
            }
        }
        var router = Router()
        router.get("/") { _ in
            if isStreamed {
                return Response(stream: {
                    try await wait()
                    return nil
                })
            }
            try await wait()
            return .text("done")
        }
        try await withServer(router) {
            $0.drain.deadline = .milliseconds(50)
        } _: { server in
            let first = await server.server.firstLoop
            loop.withLock { $0 = first }
            let client = try server.raw()
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await waiting.begun.next()
        }
        #expect(cleaned.value == 1)
    }

    @Test("Tasks that don't end are left after the deadline, and a warning counts them")
    func left() async throws {
        let (gate, opened) = (Reports<Int>(), Reports<Int>())
        let recorder = LogRecorder()
        var router = Router()
        router.webSocket("/ws") { _ in
            opened.add(1)
            // Its own task isn't cancelled.
            await Task { _ = try? await gate.next() }.value
        }
        try await withServer(router, logger: recorder.logger) {
            $0.drain.deadline = .milliseconds(50)
        } _: { server in
            let client = try await server.upgraded()
            _ = try await opened.next()
            await client.close()
        }
        gate.add(1)
        let lines = recorder.lines(with: "tasks of handlers")
        #expect(lines.count == 1 && lines[0].contains(#""tasks": 1"#), "\(lines)")
    }

    @Test("Cancelling a task ends its wait to send, though the peer doesn't read")
    func cancelledSend() async throws {
        let opened = Reports<AsyncConnection>()
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection)
            try await Waiting().wait()
        }
        try await withServer(router) {
            $0.limits.outboxMax = .mebibytes(16)
        } _: { server in
            let client = try await server.upgraded(receiveBuffer: 4_096)
            let connection = try await opened.next()
            let sending = Task {
                while true {
                    try await connection.send(Message([UInt8](repeating: 1, count: 50_000)))
                }
            }
            try await connection.connection.until { $0.lifecycle.owesDrain }
            sending.cancel()
            await #expect(throws: CancellationError.self) {
                try await within { try await sending.value }
            }
            // A cancelled task doesn't begin to wait either.
            let late = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await connection.send("late")
            }
            await #expect(throws: CancellationError.self) {
                try await within { try await late.value }
            }
            await client.close()
        }
    }

    @Test("Cancelling a task ends its wait for the end of the connection")
    func cancelledWait() async throws {
        let opened = Reports<AsyncConnection>()
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection)
            try await Waiting().wait()
        }
        try await withServer(router) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                let other = try await opened.next()
                let waiting = [
                    Task { try await connection.waitUntilClosed() },
                    Task { try await other.waitUntilClosed() },
                ]
                for task in waiting {
                    task.cancel()
                    await #expect(throws: CancellationError.self) {
                        try await within { try await task.value }
                    }
                }
                // The handshake of a close isn't cut short.
                let closing = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    return await connection.close(4_000)
                }
                #expect(await closing.value.code == 4_000)
            }
        }
    }
}
