import UVTransport
import WebSocketProtocol

/// The handler behind ``AsyncConnection``: queues messages for a task on the same loop.
// Safety: each continuation is resumed once, when it is taken out.
@safe
final class AsyncBridge: ConnectionHandler, @unchecked Sendable {
    // Safety: all state is touched on the connection's loop; a caller elsewhere hops there first.

    /// Messages and bytes that may wait before reading stops; it goes on at half of either.
    private static let waitingMax = 64
    private static let waitingBytesMax = 256 << 10

    private let request: UpgradeRequest
    private let talk: Router.Talk
    private var connection: Connection?
    private var task: Task<Void, Never>?
    private var waiting: [Message] = []
    private var head = 0
    private var waitingBytes = 0
    private var isPaused = false
    private var isOver = false
    private var reader: UnsafeContinuation<Message?, Never>?
    private var writers: [UnsafeContinuation<Void, Never>] = unsafe []

    init(request: UpgradeRequest, talk: @escaping Router.Talk) {
        self.request = request
        self.talk = talk
    }

    func onOpen(_ connection: Connection) {
        self.connection = connection
        let open = AsyncConnection(connection: connection, request: request, bridge: self)
        task = Task(executorPreference: connection.core.loop) { [talk] in
            do {
                try await talk(open)
                connection.close(.normalClosure)
            } catch is ConnectionClosed {
                // The peer left while something was being sent to it: no fault of the handler.
            } catch is CancellationError {
                connection.close(.goingAway)
            } catch {
                connection.core.context.logger.error(
                    "connection handler failed", metadata: ["error": "\(error)"])
                connection.close(.internalError, reason: "internal error")
            }
        }
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        let message = unsafe Message(payload.withUnsafeBytes { unsafe [UInt8]($0) }, as: kind)
        if unsafe reader != nil {
            let waiter = unsafe reader!
            unsafe reader = nil
            return unsafe waiter.resume(returning: message)
        }
        waiting.append(message)
        waitingBytes += message.bytes.count
        if !isPaused,
            waiting.count - head >= Self.waitingMax || waitingBytes >= Self.waitingBytesMax
        {
            isPaused = true
            connection.pauseReading()
        }
    }

    func onDrain(_ connection: Connection) { resumeWriters() }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        isOver = true
        unsafe reader?.resume(returning: nil)
        unsafe reader = nil
        resumeWriters()
        self.connection = nil
        task?.cancel()
        task = nil
    }

    private func resumeWriters() {
        let resumed = unsafe writers
        unsafe writers = unsafe []
        unsafe resumed.forEach { unsafe $0.resume() }
    }

    /// The next message, `nil` at the end.
    func next() async throws -> Message? {
        if let loop = connection?.core.loop, !loop.isCurrent {
            return try await withTaskExecutorPreference(loop) { try await nextOnLoop() }
        }
        return try await nextOnLoop()
    }

    private func nextOnLoop() async throws -> Message? {
        if head < waiting.count {
            let message = waiting[head]
            head += 1
            waitingBytes -= message.bytes.count
            if head == waiting.count {
                waiting.removeAll(keepingCapacity: true)
                head = 0
            }
            if isPaused, waiting.count - head <= Self.waitingMax / 2,
                waitingBytes <= Self.waitingBytesMax / 2
            {
                isPaused = false
                connection?.resumeReading()
            }
            return message
        }
        if isOver { return nil }
        return unsafe await withUnsafeContinuation { unsafe reader = unsafe $0 }
    }

    /// Sends, and waits for the drain if that filled the outbox.
    func send(_ bytes: [UInt8], _ kind: MessageKind, on connection: Connection) async throws {
        let loop = connection.core.loop
        if !loop.isCurrent {
            return try await withTaskExecutorPreference(loop) {
                try await sendOnLoop(bytes, kind, on: connection)
            }
        }
        try await sendOnLoop(bytes, kind, on: connection)
    }

    private func sendOnLoop(
        _ bytes: [UInt8], _ kind: MessageKind, on connection: Connection
    ) async throws {
        switch connection.send(bytes, as: kind) {
        case .accepted: return
        case .dropped: throw ConnectionClosed()
        case .aboveHighWater:
            if isOver { throw ConnectionClosed() }
            unsafe await withUnsafeContinuation { unsafe writers.append($0) }
            if isOver { throw ConnectionClosed() }
        }
    }
}
