import WebSocketProtocol

/// The bridge of a connection whose end must be noticed beside the task that reads its messages.
/// A task that waits for the end by ``AsyncBridge/waitForEnd(on:)`` would count as one that has
/// sent all its replies.
final class EndingBridge: AsyncBridge, @unchecked Sendable {
    // Safety: as its superclass.

    let ends: AsyncStream<ConnectionEnd>
    private let continuation: AsyncStream<ConnectionEnd>.Continuation

    override init() {
        (ends, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    override func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        super.onClose(connection, code: code, reason: reason)
        let isClean = connection.core.lifecycle.closing.received != nil
        continuation.yield(ConnectionEnd(code: code, reason: reason, isClean: isClean))
        continuation.finish()
    }
}

/// The state of a ``ReconnectingConnection``; not nested in it, which Swift 6.3 miscompiles.
struct ReconnectState {
    enum Phase {
        case waiting
        case connected(ClientConnection)
        case over(ReconnectEnd)
    }

    /// The maximum number of connections whose messages wait to be read.
    static let unreadMax = 8

    var phase = Phase.waiting
    /// The connections whose messages have not all been read, in order.
    var unread: [ClientConnection] = []
    var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    var lastWaiter = 0
    var task: Task<Void, Never>?
    /// The Close frame of the connection when it is closed for good: 1001 unless the program has
    /// closed it.
    var lastClose: (code: CloseCode, reason: String) = (.goingAway, "")

    var isOver: Bool { if case .over = phase { true } else { false } }
}

/// The settings of a ``ReconnectingConnection``.
struct ReconnectSettings: Sendable {
    var attempt: ConnectionAttempt
    var policy = ReconnectPolicy()
    var adjusting: ConnectionConfiguration.Adjust?
    var prepare: (@Sendable (inout ConnectionAttempt) async throws -> Void)?
    var onEvent: @Sendable (ReconnectEvent) -> Void
    var time = ReconnectTime()

    func delay(failures: Int, after error: (any Error)? = nil) -> Duration {
        policy.delay(
            failures: failures, random: time.random(),
            retryAfter: error.flatMap(ReconnectPolicy.retryAfter))
    }
}

/// The clock and the dice of a ``ReconnectingConnection``, which tests replace.
struct ReconnectTime: Sendable {
    var now: @Sendable () -> ContinuousClock.Instant = { .now }
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    var random: @Sendable () -> Double = { .random(in: 0...1) }
}

extension ReconnectEnd {
    /// A description for people.
    var text: String {
        switch self {
        case .closed: "the program has closed the connection"
        case .finalCode(let end): "the server has closed the connection for good (\(end.code))"
        case .failed(let error): "the client has given up (\(error))"
        }
    }
}
