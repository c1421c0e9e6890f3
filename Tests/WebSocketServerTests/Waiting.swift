import Synchronization
import Testing
import LiveTesting

@testable import WebSocketServer

/// A point at which tasks of a server wait until a test lets one of them go on.
final class Waiting: Sendable {
    /// Reports each task that has come to the point.
    let begun = Reports<Void>()
    /// Reports each task that was cancelled there.
    let cancelled = Reports<Void>()
    private let state = Mutex(WaitingState())

    /// Waits. Throws if the task is cancelled.
    func wait() async throws {
        let number = state.withLock { state in
            state.count += 1
            return state.count
        }
        begun.add(())
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    if state.cancelled.remove(number) != nil { return true }
                    if state.open > 0 {
                        state.open -= 1
                        return true
                    }
                    state.waiting.append((number, continuation))
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                guard let index = state.waiting.firstIndex(where: { $0.number == number }) else {
                    state.cancelled.insert(number)
                    return nil as CheckedContinuation<Void, Never>?
                }
                return state.waiting.remove(at: index).continuation
            }
            cancelled.add(())
            waiter?.resume()
        }
        try Task.checkCancellation()
    }

    /// Lets one task go on: the first one that waits, or the next one that comes.
    func open() {
        let waiter = state.withLock { state in
            if state.waiting.isEmpty {
                state.open += 1
                return nil as CheckedContinuation<Void, Never>?
            }
            return state.waiting.removeFirst().continuation
        }
        waiter?.resume()
    }
}

/// The state of a ``Waiting``; not nested in it, which Swift 6.3 miscompiles.
private struct WaitingState {
    var count = 0
    /// The number of tasks that may continue without waiting.
    var open = 0
    var waiting: [(number: Int, continuation: CheckedContinuation<Void, Never>)] = []
    /// The tasks that were cancelled before they waited.
    var cancelled: Set<Int> = []
}

extension LiveServer {
    /// Waits until the server has no connection left.
    func untilEmpty() async throws {
        try await within(.seconds(120), "the end of all connections") {
            while server.connectionCount > 0 {
                try Task.checkCancellation()
                await Task.yield()
            }
        }
    }

    /// Waits until the first loop drains its connections.
    func untilDraining() async throws {
        let loop = try #require(await server.firstLoop)
        try await within(.seconds(120), "the drain") {
            while await !loop.onLoop({ $0.registry.isDraining }) { try Task.checkCancellation() }
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
