import Synchronization

/// A value that several tasks may set and one waits for. Only the first value counts.
final class FirstValue<Value: Sendable>: Sendable {
    private let state = Mutex(FirstValueState<Value>())

    func set(_ value: Value) {
        let waiter = state.withLock { state in
            guard state.value == nil else { return nil as CheckedContinuation<Value, Never>? }
            state.value = value
            return state.waiter
        }
        waiter?.resume(returning: value)
    }

    func wait() async -> Value {
        await withCheckedContinuation { continuation in
            let value = state.withLock { state in
                state.waiter = continuation
                return state.value
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}

/// The state of a ``FirstValue``; not nested in it, which Swift 6.3 miscompiles.
private struct FirstValueState<Value: Sendable> {
    var value: Value?
    var waiter: CheckedContinuation<Value, Never>?
}
