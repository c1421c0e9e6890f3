import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// Reading messages from tasks of all kinds.
@Suite("Reading in a task") struct AsyncReadingTests {
    typealias Frame = RawClient.Frame

    private static func echo(_ connection: AsyncConnection) async throws {
        for try await message in connection.messages { try await connection.send(message) }
    }

    private nonisolated(nonsending) static func echoHere(
        _ connection: AsyncConnection
    ) async throws {
        for try await message in connection.messages { try await connection.send(message) }
    }

    @MainActor private static func echoOnMain(_ connection: AsyncConnection) async throws {
        for try await message in connection.messages {
            MainActor.assertIsolated()
            try await connection.send(message)
        }
    }

    private actor Echo {
        func run(_ connection: AsyncConnection) async throws {
            for try await message in connection.messages {
                assertIsolated()
                try await connection.send(message)
            }
        }
    }

    /// The place of the code that reads.
    enum Place: CaseIterable, Sendable {
        case closure, function, nonsending, actor, mainActor, childTask, detachedTask, iterator
    }

    private static func router(_ place: Place) -> Router {
        var router = Router()
        switch place {
        case .closure:
            router.webSocket("/ws") { connection in
                for try await message in connection.messages { try await connection.send(message) }
            }
        case .function: router.webSocket("/ws", talk: echo)
        case .nonsending: router.webSocket("/ws") { try await echoHere($0) }
        case .actor: router.webSocket("/ws") { try await Echo().run($0) }
        case .mainActor: router.webSocket("/ws") { try await echoOnMain($0) }
        case .childTask:
            router.webSocket("/ws") { connection in
                async let echoing: Void = echo(connection)
                try await echoing
            }
        case .detachedTask:
            router.webSocket("/ws") { connection in
                try await Task.detached { try await echo(connection) }.value
            }
        case .iterator:
            router.webSocket("/ws") { connection in
                var messages = connection.messages.makeAsyncIterator()
                while let message = try await messages.next() {
                    try await connection.send(message)
                }
            }
        }
        return router
    }

    @Test("Messages arrive in order, one at a time and many at once", arguments: Place.allCases)
    func places(place: Place) async throws {
        try await withServer(Self.router(place)) { server in
            let client = try await server.upgraded()
            for count in [1, 1, 2, 100, 1, 300] {
                let messages = (0..<count).map { Frame.text("\($0)") }
                try await client.send(messages.flatMap { $0.encoded() })
                for message in messages { #expect(try await client.readFrame() == message) }
            }
            try await client.send(.close(.normalClosure))
            #expect(try await client.readFrame() == .close(.normalClosure))
            #expect(try await client.readToEnd() == [])
        }
    }

    @Test("A child task that is cancelled stops waiting, and takes no message from others")
    func cancelledChild() async throws {
        let (opened, gate) = (Reports<AsyncConnection>(), Reports<Int>())
        let (ends, received) = (Reports<Bool>(), Reports<Message>())
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection)
            try await withThrowingTaskGroup(of: Message?.self) { group in
                group.addTask {
                    var messages = connection.messages.makeAsyncIterator()
                    return try await messages.next(isolation: #isolation)
                }
                _ = try await gate.next()
                group.cancelAll()
                ends.add(try await group.next() == .some(nil))
            }
            for try await message in connection.messages { received.add(message) }
        }
        try await withServer(router) { server in
            let client = try await server.upgraded()
            let connection = try await opened.next()
            try await connection.connection.until { _ in connection.bridge.reader != nil }
            gate.add(1)
            #expect(try await ends.next())
            try await client.send(Frame.text("later").encoded())
            #expect(try await received.next() == Message("later"))
            await client.close()
        }
    }

    @Test("A task that is cancelled just after it was given a message ends no other task's wait")
    func lateCancellation() async throws {
        let (opened, received) = (Reports<AsyncConnection>(), Reports<Message>())
        var router = Router()
        router.webSocket("/ws") { connection in
            let (core, bridge) = (connection.connection.core, connection.bridge)
            let other = Task { await connection.receive() }
            try await connection.connection.until { _ in bridge.reader != nil }
            // All in one turn of the loop, which handles the cancellation at the end of it.
            #expect(core.loop.isCurrent)
            other.cancel()
            let first = [UInt8]("first".utf8)
            bridge.onMessage(first.span.bytes, as: .text, from: connection.connection)
            opened.add(connection)
            for try await message in connection.messages { received.add(message) }
            #expect(await other.value == Message("first"))
        }
        try await withServer(router) { server in
            let client = try await server.upgraded()
            let connection = try await opened.next()
            try await connection.connection.until { _ in connection.bridge.reader != nil }
            try await client.send(Frame.text("second").encoded())
            #expect(try await received.next() == Message("second"))
            await client.close()
        }
    }

    @Test("A handler's task that cancels itself reads no more")
    func cancelsItself() async throws {
        let received = Reports<Message>()
        var router = Router()
        router.webSocket("/ws") { connection in
            for try await message in connection.messages {
                received.add(message)
                withUnsafeCurrentTask { $0?.cancel() }
            }
        }
        try await withServer(router) { server in
            let client = try await server.upgraded()
            try await client.send(Frame.text("one").encoded())
            #expect(try await client.readFrame() == .close(.normalClosure))
            #expect(received.all == [Message("one")])
            await client.close()
        }
    }

    @Test("A handler's task that waits for a message ends with the connection")
    func ends() async throws {
        let (opened, ended) = (Reports<AsyncConnection>(), Reports<Bool>())
        var router = Router()
        router.webSocket("/ws") { connection in
            opened.add(connection)
            for try await _ in connection.messages {}
            ended.add(Task.isCancelled)
        }
        try await withServer(router) { server in
            let client = try await server.upgraded()
            let connection = try await opened.next()
            try await connection.connection.until { _ in connection.bridge.reader != nil }
            await client.reset()
            #expect(try await ended.next())
        }
    }

    @Test("A client reads on the main actor")
    @MainActor
    func clientOnMain() async throws {
        try await withServer(Self.router(.closure)) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                try await Self.exchange(connection)
                #expect(await connection.close().code == .normalClosure)
            }
        }
    }

    @MainActor private static func exchange(_ connection: ClientConnection) async throws {
        for number in 0..<100 { try await connection.send("\(number)") }
        for number in 0..<50 { #expect(await connection.receive() == Message("\(number)")) }
        var number = 50
        for try await message in connection.messages {
            #expect(message == Message("\(number)"))
            number += 1
            if number == 100 { break }
        }
        MainActor.assertIsolated()
    }
}
