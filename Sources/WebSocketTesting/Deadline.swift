import Synchronization

/// Something did not happen in time.
public struct DeadlineError: Error, CustomStringConvertible {
    public let description: String
}

/// Waits for `operation`, and throws ``DeadlineError`` when that takes too long; the operation is
/// cancelled then. Every wait of a test is to have a deadline.
public func within<Value: Sendable>(
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

/// A result that is set once, or more often in vain, and waited for once.
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

/// What a ``Latch`` guards; not nested in it, which Swift 6.3 miscompiles.
private struct LatchState<Value: Sendable> {
    typealias Waiter = CheckedContinuation<Value, any Error>
    var result: Result<Value, any Error>?
    var waiter: Waiter?
}

/// Values that callbacks report and a test waits for.
public final class Reports<Value: Sendable>: Sendable {
    private let stream: AsyncStream<Value>
    private let continuation: AsyncStream<Value>.Continuation
    private let values = Mutex<[Value]>([])

    public init() { (stream, continuation) = AsyncStream.makeStream() }

    /// Any thread.
    public func add(_ value: Value) {
        values.withLock { $0.append(value) }
        continuation.yield(value)
    }

    /// All that has been reported so far.
    public var all: [Value] { values.withLock { $0 } }

    /// The next value that no one has taken; one task takes them.
    public func next(within limit: Duration = .seconds(120)) async throws -> Value {
        let stream = self.stream
        return try await WebSocketTesting.within(limit, "a report") {
            for await value in stream { return value }
            throw DeadlineError(description: "no more reports")
        }
    }

    /// Takes values until one fits.
    @discardableResult
    public func next(
        within limit: Duration = .seconds(120), where fits: (Value) -> Bool
    ) async throws -> Value {
        while true {
            let value = try await next(within: limit)
            if fits(value) { return value }
        }
    }
}
