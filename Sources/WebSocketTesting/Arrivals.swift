import UVTransport

/// Those that wait for something to arrive at a client. For the thread of the server's loop, except
/// for ``wait(within:_:until:)``.
// Safety: the list is touched on the loop only.
final class Arrivals: @unchecked Sendable {
    private let loop: EventLoop
    private var waits: [Wait] = []

    init(loop: EventLoop) { self.loop = loop }

    /// Checks the conditions again.
    func notify() {
        guard !waits.isEmpty else { return }
        let (met, unmet) = (waits.filter { $0.condition() }, waits.filter { !$0.condition() })
        waits = unmet
        for wait in met { wait.end(isMet: true) }
    }

    /// Waits until a condition holds, which is checked on the loop; at most for `limit` of real
    /// time.
    func wait(
        within limit: Duration, _ what: String, until condition: @escaping @Sendable () -> Bool
    ) async throws {
        let wait = Wait(condition)
        let timer = Task { [loop] in
            try await Task.sleep(for: limit)
            // A stopped loop has no thread any more that could touch the wait.
            if !loop.executeLater({ wait.end(isMet: false) }) { wait.end(isMet: false) }
        }
        defer { timer.cancel() }
        let isMet = await withCheckedContinuation { continuation in
            let runs = loop.executeLater { [self] in
                wait.continuation = continuation
                if condition() { wait.end(isMet: true) } else { waits.append(wait) }
            }
            if !runs { continuation.resume(returning: false) }
        }
        guard isMet else {
            throw DeadlineError(
                description: "\(what): nothing came within \(limit) of real time; does the test "
                    + "have to advance the clock?")
        }
    }

    private final class Wait: @unchecked Sendable {
        let condition: @Sendable () -> Bool
        var continuation: CheckedContinuation<Bool, Never>?

        init(_ condition: @escaping @Sendable () -> Bool) { self.condition = condition }

        func end(isMet: Bool) {
            continuation?.resume(returning: isMet)
            continuation = nil
        }
    }
}
