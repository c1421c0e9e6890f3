import Synchronization
public import WebSocketProtocol

/// A client's connection that is made again whenever it is lost:
/// ``WebSocketClient/reconnecting(to:subprotocols:headerFields:policy:prepare:onEvent:adjusting:)``.
///
/// ``messages`` continue after each reconnection. Messages that were on their way when a connection
/// was lost are lost too, in both directions: a protocol that needs them must ask for them again.
/// All members may be used from any thread.
public final class ReconnectingConnection: MessageSender {
    private let client: WebSocketClient
    private let settings: ReconnectSettings
    private let state = Mutex(ReconnectState())

    init(_ client: WebSocketClient, _ settings: ReconnectSettings) {
        self.client = client
        self.settings = settings
    }

    /// Starts to connect; once.
    func start() {
        let task = Task { await run() }
        state.withLock { $0.task = task }
    }

    // MARK: - For programs

    /// The received messages of one connection after the other, in order; to be read by one task.
    ///
    /// They end when the connection is closed for good. They throw the last ``ClientError``, or
    /// error of `prepare`, if the client gives up. Up to eight lost connections keep their unread
    /// messages.
    public var messages: Messages { Messages(connection: self) }

    /// The current connection; `nil` while there is none.
    public var current: ClientConnection? {
        state.withLock { if case .connected(let connection) = $0.phase { connection } else { nil } }
    }

    /// Sends a message on the current connection. Waits while the outbox is above
    /// ``Limits/outboxHighWater``.
    ///
    /// - Throws: ``NotConnected`` while there is no connection. Nothing is queued for the next one.
    public nonisolated(nonsending) func send(_ message: Message) async throws {
        guard let connection = current else { throw notConnected }
        do {
            try await connection.send(message)
        } catch is ConnectionClosed {
            throw notConnected
        }
    }

    /// Waits for a connection: returns the current one, or the next one.
    ///
    /// - Throws: ``NotConnected`` if there is none any more, or `CancellationError`.
    public func waitUntilConnected() async throws -> ClientConnection {
        while true {
            switch state.withLock({ $0.phase }) {
            case .connected(let connection): return connection
            case .over: throw notConnected
            case .waiting:
                await waitForChange { if case .waiting = $0.phase { true } else { false } }
            }
            try Task.checkCancellation()
        }
    }

    /// Closes the connection for good, and waits until it is closed: at most for
    /// ``Limits/closeTimeout``. Calling it again has no effect.
    ///
    /// - Parameters:
    ///   - code: See ``Connection/close(_:reason:)``.
    ///   - reason: A text for people; cut to 123 bytes.
    public func close(_ code: CloseCode = .normalClosure, reason: String = "") async {
        var connection: ClientConnection?
        // In one step, so that no connection is made between them, or closed with another code.
        end(.closed) { state in
            if case .connected(let current) = state.phase { connection = current }
            state.lastClose = (code, reason)
        }
        await connection?.close(code, reason: reason)
    }

    /// The messages of a ``ReconnectingConnection``.
    public struct Messages: AsyncSequence, Sendable {
        let connection: ReconnectingConnection

        public struct AsyncIterator: AsyncIteratorProtocol {
            let connection: ReconnectingConnection

            /// Returns the next message; `nil` at the end, and when the task is cancelled. Throws
            /// if the client gives up: see ``ReconnectingConnection/messages-swift.property``.
            public mutating func next() async throws -> Message? {
                try await connection.nextMessage()
            }
        }

        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(connection: connection) }
    }

    private var notConnected: NotConnected {
        switch state.withLock({ $0.phase }) {
        case .over(let end): NotConnected(isOver: true, description: "not connected: \(end.text)")
        case .waiting, .connected:
            NotConnected(isOver: false, description: "not connected: the connection is being made")
        }
    }

    private func nextMessage() async throws -> Message? {
        while true {
            if let source = state.withLock({ $0.unread.first }) {
                if let message = await source.receive() { return message }
                if Task.isCancelled { return nil }
                state.withLock { state in
                    if state.unread.first?.connection == source.connection {
                        state.unread.removeFirst()
                    }
                }
                continue
            }
            if case .over(let end) = state.withLock({ $0.phase }) {
                if case .failed(let error) = end { throw error }
                return nil
            }
            await waitForChange { $0.unread.isEmpty && !$0.isOver }
            if Task.isCancelled { return nil }
        }
    }

    // MARK: - Changes

    /// Waits until something changes, or the task is cancelled.
    ///
    /// - Parameter isWaiting: Whether there is a reason to wait.
    private func waitForChange(while isWaiting: (ReconnectState) -> Bool) async {
        let number = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let waits = state.withLock { state in
                    // A cancellation after this takes the waiter out again.
                    let waits = isWaiting(state) && !Task.isCancelled
                    if waits { state.waiters[number] = continuation }
                    return waits
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
        }
    }

    /// Changes the state, unless the connection is over, and wakes those that wait for a change.
    /// Returns false if it is over.
    @discardableResult
    private func change(_ body: (inout ReconnectState) -> Void) -> Bool {
        let waiters: [CheckedContinuation<Void, Never>]? = state.withLock { state in
            guard !state.isOver else { return nil }
            body(&state)
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        waiters?.forEach { $0.resume() }
        return waiters != nil
    }

    /// Ends it: there is no further attempt. Calls `body` first, unless it is over already.
    private func end(
        _ end: ReconnectEnd, after body: (inout ReconnectState) -> Void = { _ in }
    ) {
        change { state in
            body(&state)
            state.phase = .over(end)
        }
        state.withLock { $0.task }?.cancel()
    }

    /// Ends it because the client is shut down.
    func shutDown() { end(.failed(ClientError(.shutDown, "the client is shut down"))) }

    // MARK: - The task

    private func run() async {
        // The losses and failed attempts since the last connection that lasted.
        var failures = 0
        // The attempts since the last connection.
        var attempts = 0
        while !state.withLock({ $0.isOver }) {
            attempts += 1
            var delay = Duration.zero
            switch await connect(attempts) {
            case .success(let (connection, ends)):
                let began = settings.time.now()
                guard await serve(connection, ends) else { break }
                if settings.time.now() - began >= settings.policy.delayMax { failures = 0 }
                attempts = 0
                delay = settings.delay(failures: failures)
            case .failure(let error):
                // Cancelled by the end.
                if state.withLock({ $0.isOver }) { break }
                settings.onEvent(.failed(error))
                let isLast = settings.policy.attemptsMax.map { attempts >= $0 } ?? false
                if isLast || !settings.policy.retries(after: error) {
                    end(.failed(error))
                    break
                }
                delay = settings.delay(failures: failures, after: error)
            }
            if state.withLock({ $0.isOver }) { break }
            failures += 1
            settings.onEvent(.reconnecting(after: delay, attempt: attempts + 1))
            try? await settings.time.sleep(delay)
        }
        client.ended(self)
        if case .over(let end) = state.withLock({ $0.phase }) { settings.onEvent(.ended(end)) }
        state.withLock { $0.task = nil }
    }

    private typealias Connected = (ClientConnection, AsyncStream<ConnectionEnd>)

    private func connect(_ number: Int) async -> Result<Connected, any Error> {
        var attempt = settings.attempt
        attempt.number = number
        let bridge = EndingBridge()
        do {
            try await settings.prepare?(&attempt)
            let connection = try await client.connect(
                to: attempt.url, attempt.subprotocols, attempt.headerFields, bridge,
                settings.adjusting)
            return .success((connection, bridge.ends))
        } catch {
            return .failure(error)
        }
    }

    /// Reports a connection, and waits for its end. Returns whether another one may follow.
    private func serve(
        _ connection: ClientConnection, _ ends: AsyncStream<ConnectionEnd>
    ) async -> Bool {
        // The event comes first, so that what it sends is sent first.
        settings.onEvent(.connected(connection))
        let isWanted = change { state in
            state.phase = .connected(connection)
            state.unread.append(connection)
            if state.unread.count > ReconnectState.unreadMax { state.unread.removeFirst() }
        }
        // The end of the reconnecting connection cancels this task, and so the wait.
        guard isWanted, let end = await ends.first(where: { _ in true }) else {
            let (code, reason) = state.withLock { $0.lastClose }
            settings.onEvent(.disconnected(await connection.close(code, reason: reason)))
            return false
        }
        let retries = settings.policy.retries(after: end)
        change { $0.phase = retries ? .waiting : .over(.finalCode(end)) }
        settings.onEvent(.disconnected(end))
        return retries
    }
}
