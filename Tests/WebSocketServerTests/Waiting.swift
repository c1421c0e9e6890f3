import Testing
import WebSocketTesting

@testable import WebSocketServer

/// A point at which tasks of a server wait until a test lets one of them go on.
final class Waiting: Sendable {
    /// Reports each task that has come to the point.
    let begun = Reports<Void>()
    /// Reports each task that was cancelled there.
    let cancelled = Reports<Void>()
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    /// Waits. Throws if the task is cancelled.
    func wait() async throws {
        begun.add(())
        await withTaskCancellationHandler {
            for await _ in stream { break }
        } onCancel: {
            cancelled.add(())
        }
        try Task.checkCancellation()
    }

    /// Lets one task go on.
    func open() { continuation.yield(()) }
}

extension TestServer {
    /// Waits until the server has no connection left.
    func untilEmpty() async throws {
        try await within(.seconds(120), "the end of all connections") {
            while server.connectionCount > 0 {
                try Task.checkCancellation()
                await Task.yield()
            }
        }
    }

    /// Waits, one turn of the first loop at a time, until one of its connections fulfils a
    /// condition.
    func until(_ condition: @escaping @Sendable (ConnectionCore) -> Bool) async throws {
        let loop = try #require(await server.firstLoop)
        try await within(.seconds(120), "a state of a connection") {
            while await !loop.onLoop({ $0.registry.snapshot().contains(where: condition) }) {
                try Task.checkCancellation()
            }
        }
    }
}
