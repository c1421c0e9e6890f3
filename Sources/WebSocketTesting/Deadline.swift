import Synchronization

/// The error for an event that didn't happen in time.
public struct DeadlineError: Error, CustomStringConvertible {
    public let description: String

    package init(description: String) { self.description = description }
}

/// Waits for `operation`. Cancels it and throws ``DeadlineError`` after `limit`. Every wait in a
/// test must have a deadline.
package func within<Value: Sendable>(
    _ limit: Duration = .seconds(120), _ what: String = "the operation",
    _ operation: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let latch = Latch<Value>()
    let work = Task {
        do {
            latch.set(.success(try await operation()))
        } catch {
            latch.set(.failure(error))
        }
    }
    let clock = Task {
        try await Task.sleep(for: limit)
        latch.set(.failure(DeadlineError(description: "\(what) took more than \(limit)")))
    }
    defer {
        work.cancel()
        clock.cancel()
    }
    return try await withCheckedThrowingContinuation { latch.wait($0) }
}

/// A result that is waited for once. Only the first value that is set counts.
private final class Latch<Value: Sendable>: Sendable {
    private let state = Mutex(LatchState<Value>())

    func set(_ result: Result<Value, any Error>) {
        let waiter = state.withLock { state in
            guard state.result == nil else { return nil as LatchState<Value>.Waiter? }
            state.result = result
            return state.waiter
        }
        waiter?.resume(with: result)
    }

    func wait(_ waiter: LatchState<Value>.Waiter) {
        let result = state.withLock { state in
            state.waiter = waiter
            return state.result
        }
        if let result { waiter.resume(with: result) }
    }
}

/// The state that a ``Latch`` guards. It isn't nested, because Swift 6.3 miscompiles that.
private struct LatchState<Value: Sendable> {
    typealias Waiter = CheckedContinuation<Value, any Error>
    var result: Result<Value, any Error>?
    var waiter: Waiter?
}

/// Values that callbacks report and a test waits for.
package final class Reports<Value: Sendable>: Sendable {
    private let stream: AsyncStream<Value>
    private let continuation: AsyncStream<Value>.Continuation
    private let values = Mutex<[Value]>([])

    package init() { (stream, continuation) = AsyncStream.makeStream() }

    /// Adds a value; any thread.
    package func add(_ value: Value) {
        values.withLock { $0.append(value) }
        continuation.yield(value)
    }

    /// All values reported so far.
    package var all: [Value] { values.withLock { $0 } }

    /// Returns the next value that hasn't been returned. Only one task may call it.
    package func next(within limit: Duration = .seconds(120)) async throws -> Value {
        let stream = self.stream
        return try await WebSocketTesting.within(limit, "a report") {
            for await value in stream { return value }
            throw DeadlineError(description: "no more reports")
        }
    }

    /// Returns the next value that fits. Earlier values are skipped.
    @discardableResult
    package func next(
        within limit: Duration = .seconds(120), where fits: (Value) -> Bool
    ) async throws -> Value {
        while true {
            let value = try await next(within: limit)
            if fits(value) { return value }
        }
    }
}
