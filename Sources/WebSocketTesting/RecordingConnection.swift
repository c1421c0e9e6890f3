public import WebSocketServer

/// A connection for unit tests of a ``ConnectionHandler``: it passes messages to the handler, and
/// records what the handler sends, publishes and subscribes to.
///
/// ```swift
/// let connection = try await RecordingConnection(to: ChatHandler(room: "7"))
/// await connection.deliver("hello")
/// #expect(await connection.sent == [Message("hello")])
/// #expect(await connection.subscriptions == ["room/7"])
/// try await connection.stop()
/// ```
///
/// The connection is a real one of a ``TestServer`` with a single route.
public final class RecordingConnection: Sendable {
    /// The server, for its clock and counters.
    public let app: TestServer
    private let client: TestClient
    private let broker: RecordingBroker

    /// Opens a connection, so that the handler's `onOpen` is called.
    ///
    /// - Parameters:
    ///   - handler: An expression that makes the handler. It is evaluated on the server's event
    ///     loop, so that the handler may hold state.
    ///   - configure: Changes the configuration of the server.
    /// - Throws: `ConfigurationErrors` if the configuration is invalid.
    public init(
        to handler: @autoclosure @escaping @Sendable () -> any ConnectionHandler,
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) async throws {
        var router = Router()
        router.upgrade("/") { _ in .accept(handler()) }
        broker = RecordingBroker()
        var configuration = ServerConfiguration()
        configure(&configuration)
        app = try await TestServer(router, configuration: configuration, broker: broker)
        do {
            client = try await app.connect("/")
        } catch {
            try? await app.stop()
            throw error
        }
    }

    /// Passes a text message to the handler.
    public func deliver(_ text: String) async { await client.send(text) }

    /// Passes a message of bytes to the handler, a binary one by default.
    public func deliver(_ bytes: [UInt8], as kind: MessageKind = .binary) async {
        await client.send(bytes, as: kind)
    }

    /// Closes the connection as the peer does, so that the handler's `onClose` is called. Throws
    /// ``DeadlineError`` if the connection isn't closed within ``TestServer/patience``.
    public func close(_ code: CloseCode = .normalClosure, reason: String = "") async throws {
        try await client.close(code, reason: reason)
    }

    /// Breaks the connection, so that the handler's `onClose` is called with 1006.
    public func cut() async { await client.cut() }

    /// The messages that the handler has sent so far, and the publications that it has received as
    /// a subscriber.
    public var sent: [Message] { get async { await client.allMessages } }

    /// The publications so far, of this and other connections.
    public var published: [RecordedPublication] { broker.publications }

    /// The topics that the connection subscribes to, sorted.
    public var subscriptions: [String] {
        get async { await app.server.topics().map(\.name).sorted() }
    }

    /// The close code and reason with which the connection has ended; `nil` while it is open.
    public var end: TestEnd? { get async { await client.end } }

    /// Stops the server. Throws as ``TestServer/stop()``.
    public func stop() async throws { try await app.stop() }
}
