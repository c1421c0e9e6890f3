public import HTTPTypes
public import WebSocketServer

/// A WebSocket client of a ``TestServer``. Each call returns when the server has done what it
/// causes, as far as it runs on the server's loop.
// Safety: as its superclass.
public final class TestClient: TestConnection, @unchecked Sendable {
    /// The server's response to the opening handshake.
    public let response: HTTPResponse
    private let connection: Connection
    private let inbox: Inbox

    init(
        _ wire: Wire, _ memory: MemoryServer, _ connection: Connection, _ response: HTTPResponse,
        _ inbox: Inbox
    ) {
        self.connection = connection
        self.response = response
        self.inbox = inbox
        super.init(wire, memory)
    }

    /// The subprotocol that the server has chosen; `nil` if none.
    public var subprotocol: String? { response.headerFields[.secWebSocketProtocol] }

    // MARK: - Sending

    /// Sends a text message.
    public func send(_ text: String) async { await perform { $0.send(text) } }

    /// Sends a message of bytes, binary by default.
    public func send(_ bytes: [UInt8], as kind: MessageKind = .binary) async {
        await perform { $0.send(bytes, as: kind) }
    }

    /// Sends a ping.
    public func ping(_ payload: [UInt8] = []) async { await perform { $0.ping(payload) } }

    /// Sends a Close frame, and returns how the connection has ended. Throws as
    /// ``waitUntilClosed(within:)``.
    @discardableResult
    public func close(
        _ code: CloseCode = .normalClosure, reason: String = ""
    ) async throws -> TestEnd {
        await perform { $0.close(code, reason: reason) }
        return try await waitUntilClosed()
    }

    private func perform(_ body: @escaping @Sendable (Connection) -> Void) async {
        await memory.perform { [connection] in body(connection) }
    }

    // MARK: - Receiving

    /// Returns the next message. Throws ``TestEnd`` if the connection ends before, and
    /// ``DeadlineError`` if nothing comes within `limit` of real time.
    public func receive(within limit: Duration = TestServer.patience) async throws -> Message {
        let message: Result<Message, TestEnd> = try await inbox.arrivals.wait(
            within: limit, "client \(number)"
        ) { [inbox] in
            inbox.next().map { .success($0) } ?? inbox.end.map { .failure($0) }
        }
        return try message.get()
    }

    /// Returns the messages that have come and were not returned yet, without waiting.
    public func receiveAvailable() async -> [Message] {
        await memory.perform { [inbox] in
            var messages: [Message] = []
            while let message = inbox.next() { messages.append(message) }
            return messages
        }
    }

    /// All messages that have come so far, without waiting.
    public var allMessages: [Message] {
        get async { await memory.perform { [inbox] in inbox.messages } }
    }

    /// The way in which the connection has ended; `nil` while it is open.
    public var end: TestEnd? { get async { await memory.perform { [inbox] in inbox.end } } }

    /// Waits for the end of the connection, and returns it. Throws ``DeadlineError`` after `limit`
    /// of real time.
    public func waitUntilClosed(
        within limit: Duration = TestServer.patience
    ) async throws -> TestEnd {
        try await inbox.arrivals.wait(within: limit, "the end of client \(number)") {
            [inbox] in inbox.end
        }
    }
}

/// The end of a ``TestClient``'s connection.
public struct TestEnd: Error, Sendable, Hashable {
    /// The server's close code, or the client's if the server didn't answer; 1006 if the connection
    /// broke (RFC 6455 §7.1.5).
    public let code: CloseCode
    /// The reason in the Close frame of that code; empty if there is none.
    public let reason: String

    /// Creates an end, to compare others with.
    public init(_ code: CloseCode, _ reason: String = "") {
        self.code = code
        self.reason = reason
    }
}

/// The handler behind a ``TestClient``.
// Safety: touched on the server's loop only.
final class Inbox: ConnectionHandler, @unchecked Sendable {
    let arrivals: Arrivals
    private(set) var messages: [Message] = []
    /// The number of messages that were returned.
    private var returned = 0
    private(set) var end: TestEnd?

    init(_ arrivals: Arrivals) { self.arrivals = arrivals }

    var hasNext: Bool { returned < messages.count }

    func next() -> Message? {
        guard hasNext else { return nil }
        returned += 1
        return messages[returned - 1]
    }

    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
        messages.append(
            Message(unsafe payload.withUnsafeBytes { unsafe [UInt8]($0) }, as: kind))
        arrivals.notify()
    }

    func onClose(_ connection: Connection, code: CloseCode, reason: String) {
        end = TestEnd(code, reason)
        arrivals.notify()
    }
}
