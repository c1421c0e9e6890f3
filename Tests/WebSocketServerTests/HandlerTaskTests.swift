import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// A handler awaits in a task of its connection.
@Suite("Tasks of handlers") struct HandlerTaskTests {
    private actor Directory {
        func name(of token: String) -> String? { token == "token" ? "ada" : nil }
    }

    /// A handler that looks its user up.
    private final class Member: ConnectionHandler {
        private let directory = Directory()
        /// The user's name. It isn't `Sendable` state: only the connection's loop has it.
        private var name: String?

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            let text = String(payload)
            if let name { return _ = connection.send("\(name): \(text)") }
            connection.task { [directory] in
                await directory.name(of: text)
            } then: { [self] found in
                name = found
                precondition(connection.core.loop.isCurrent)
                if found == nil { connection.close(.unauthorized) }
                connection.send("welcome")
            }
        }
    }

    @Test("The result of a task becomes part of the handler's state")
    func result() async throws {
        var router = Router()
        router.upgrade("/ws") { _ in .accept(Member()) }
        try await withServer(router) { server in
            try await withClient { client in
                let member = try await client.connect(to: server.url("/ws"))
                member.connection.send("token")
                #expect(await member.receive() == Message("welcome"))
                member.connection.send("one")
                #expect(await member.receive() == Message("ada: one"))
                let other = try await client.connect(to: server.url("/ws"))
                other.connection.send("wrong")
                #expect(await other.waitUntilClosed().code == .unauthorized)
            }
        }
    }

    /// A handler that runs a closure in a task when a message comes, and another one when the
    /// connection is closed.
    private final class Runner: ConnectionHandler, Sendable {
        private let onMessage: @Sendable (Connection) async throws -> Void
        private let onEnd: @Sendable () async -> Void

        init(
            onMessage: @escaping @Sendable (Connection) async throws -> Void,
            onEnd: @escaping @Sendable () async -> Void = {}
        ) {
            self.onMessage = onMessage
            self.onEnd = onEnd
        }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            connection.task { [onMessage] in try await onMessage(connection) }
        }

        func onClose(_ connection: Connection, code: CloseCode, reason: String) {
            connection.task { [onEnd] in await onEnd() }
        }
    }

    private static func router(_ runner: Runner) -> Router {
        var router = Router()
        router.upgrade("/ws") { _ in .accept(runner) }
        return router
    }

    @Test("A task runs on the connection's loop, and comes back to it")
    func executor() async throws {
        let directory = Directory()
        let runner = Runner { connection in
            let before = connection.core.loop.isCurrent
            let name = await directory.name(of: "token") ?? ""
            connection.send("\(name) \(before) \(connection.core.loop.isCurrent)")
        }
        try await withServer(Self.router(runner)) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                connection.connection.send("go")
                #expect(await connection.receive() == Message("ada true true"))
            }
        }
    }

    @Test("The end of the connection cancels its tasks, but not one that begins then")
    func cancellation() async throws {
        let begun = Reports<Void>()
        let ends = Reports<String>()
        let runner = Runner { _ in
            begun.add(())
            for await _ in AsyncStream<Void>.makeStream().stream {}
            ends.add("cancelled \(Task.isCancelled)")
        } onEnd: {
            await Task.yield()
            ends.add("at the end \(Task.isCancelled)")
        }
        try await withServer(Self.router(runner)) { server in
            let client = try await server.upgraded()
            try await client.send(.text("go"))
            try await client.send(.text("go"))
            for _ in 0..<2 { try await begun.next() }
            await client.reset()
            var reported: [String] = []
            for _ in 0..<3 { reported.append(try await ends.next()) }
            #expect(reported.sorted() == ["at the end false", "cancelled true", "cancelled true"])
        }
    }

    @Test("A task that throws ends the connection, as an async route does")
    func failure() async throws {
        struct Failure: Error {}
        let log = LogRecorder()
        let runner = Runner { _ in throw Failure() }
        try await withServer(Self.router(runner), logger: log.logger) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                connection.connection.send("go")
                #expect(await connection.waitUntilClosed().code == .internalError)
            }
        }
        #expect(log.lines(with: "connection handler failed").count == 1)
    }

    @Test("The members of an async connection work from another thread as well")
    func asyncConnection() async throws {
        let opened = Reports<AsyncConnection>()
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection)
            for try await message in connection.messages {
                connection.publish(message, to: "room")
            }
        }
        try await withServer(router) { server in
            try await withClient { client in
                let member = try await client.connect(to: server.url("/ws"))
                let connection = try await opened.next()
                #expect(connection.id == connection.connection.id)
                #expect(connection.remoteAddress == "127.0.0.1" && connection.subprotocol == nil)
                #expect(connection.subscribe(to: "room") == .handedOver)
                member.connection.send("one")
                #expect(await member.receive() == Message("one"))
                connection.unsubscribe(from: "room")
                member.connection.send("two")
                connection.setDeadline(after: .seconds(3_600)) { $0.close(4_001) }
                connection.clearDeadline()
                connection.setDeadline(after: .zero) { $0.close(4_002) }
                #expect(await member.receive() == nil)
                #expect(await member.waitUntilClosed().code == 4_002)
            }
        }
    }
}
