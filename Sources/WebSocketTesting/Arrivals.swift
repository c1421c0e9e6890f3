import UVTransport
import WebSocketServer

/// Those that wait for something to arrive at a client. For the thread of the server's loop, except
/// for ``wait(within:_:for:)``.
// Safety: the list is touched on the loop only.
final class Arrivals: @unchecked Sendable {
    private let memory: MemoryServer
    /// Each looks for what it waits for, and returns whether it doesn't wait any more.
    private var waits: [() -> Bool] = []

    init(_ memory: MemoryServer) { self.memory = memory }

    /// Makes those that wait look again.
    func notify() {
        if !waits.isEmpty { waits.removeAll { $0() } }
    }

    /// Waits until the loop is idle and `look`, which is called on the loop, returns a value.
    /// Throws ``DeadlineError`` after `limit` of real time, even if the loop is never idle.
    func wait<Value: Sendable>(
        within limit: Duration, _ what: String, for look: @escaping @Sendable () -> Value?
    ) async throws -> Value {
        let wait = Wait<Value>()
        let loop = memory.loop
        let value: Value? = await withCheckedContinuation { continuation in
            let runs = loop.executeLater { [self] in
                wait.begin(continuation, limit, on: loop, look)
                let isDone = { wait.isOver || look().map { wait.end($0) } != nil }
                loop.whenIdle { [self] in
                    if !isDone() { waits.append(isDone) }
                }
            }
            if !runs { continuation.resume(returning: nil) }
        }
        if let value { return value }
        // A stopped loop has looked no more.
        if !loop.executeLater({}), let value = await memory.perform(look) { return value }
        throw DeadlineError(
            description:
                "\(what): nothing came within \(limit) of real time; does the test have to "
                + "advance the clock, or was the server stopped?")
    }
}

/// One wait of ``Arrivals``.
// Safety: touched on the loop only, or once its thread has ended.
private final class Wait<Value: Sendable>: @unchecked Sendable {
    private var continuation: CheckedContinuation<Value?, Never>?
    private var timer: Task<Void, any Error>?

    var isOver: Bool { continuation == nil }

    func begin(
        _ continuation: CheckedContinuation<Value?, Never>, _ limit: Duration, on loop: EventLoop,
        _ look: @escaping @Sendable () -> Value?
    ) {
        self.continuation = continuation
        timer = Task {
            try await Task.sleep(for: limit)
            let runs = loop.executeLater { if !self.isOver { self.end(look()) } }
            if !runs { self.end(nil) }
        }
    }

    func end(_ value: Value?) {
        timer?.cancel()
        continuation?.resume(returning: value)
        continuation = nil
    }
}
