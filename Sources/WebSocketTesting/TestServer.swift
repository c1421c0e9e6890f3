import HTTPProtocol
public import HTTPTypes
public import Logging
import UVTransport
public import WebSocketServer

/// A server in memory, which a test drives: the real router, HTTP, WebSockets, topics and limits,
/// without sockets, and with a clock that moves only when the test moves it.
///
/// ```swift
/// let app = try await TestServer(router)
/// let client = try await app.connect("/chat/7")
/// await client.send("hello")
/// #expect(try await client.receive() == Message("hello"))
/// await app.advance(by: .seconds(30))
/// try await app.stop()
/// ```
///
/// The server, its clients, and `async` handlers run on one thread, one after the other. Each call
/// returns when nothing is left to do there: a message that was sent has been handled, and the
/// answers have come. So a test also sees that something did *not* happen, without waiting for
/// real time. Only code that leaves the loop, such as a query of a database, may still run; calls
/// such as ``TestClient/receive(within:)`` wait for its results. A handler that works on the loop
/// without end keeps the calls waiting, so give its test a time limit.
///
/// Each run takes the same course. With a ``seed``, bytes are read and written in random pieces,
/// which are the same for the same seed.
public final class TestServer: Sendable {
    /// The default limit of real time for what must come: 30 s.
    public static var patience: Duration { .seconds(30) }
    /// The resolution of the server's timers, 32 ms: a deadline passes at the first tick at or
    /// after it.
    public static var tick: Duration { .milliseconds(32) }

    /// The server, for its counters, topics and publications. It has no addresses.
    public let server: Server
    /// The number that decides how bytes are cut into pieces; `nil` leaves them whole.
    public let seed: UInt64?
    private let memory: MemoryServer
    private let state: TestServerState

    private var loop: EventLoop { memory.loop }

    /// Starts a server.
    ///
    /// - Parameters:
    ///   - configuration: The limits, timeouts and other settings. Addresses and the number of
    ///     loops are ignored.
    ///   - broker: Carries the publications. By default the topics are the server's own.
    ///   - logger: By default, nothing is logged.
    ///   - seed: Makes reads and writes of random sizes, the same for the same seed. Tests of
    ///     protocols run with several.
    /// - Throws: `ConfigurationErrors` and `RouteErrors`, as a `Server` does.
    public init(
        _ router: Router, configuration: ServerConfiguration = ServerConfiguration(),
        broker: any Broker = MemoryBroker(), logger: Logger? = nil, seed: UInt64? = nil
    ) async throws {
        let logger = logger ?? Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        memory = try await MemoryServer(
            configuration: configuration, router: router, broker: broker, logger: logger)
        server = memory.server
        self.seed = seed
        state = TestServerState(start: memory.loop.startTime)
    }

    // MARK: - Time

    /// Moves the clock, from one deadline to the next: heartbeats are sent, and timeouts pass, each
    /// at its own time.
    ///
    /// The clock stops at a whole ``tick``, the first one at or after the duration. So every
    /// deadline within the duration has passed when this returns.
    public func advance(by duration: Duration) async {
        let milliseconds = UInt64(clamping: Int64(duration / .milliseconds(1)))
        let loop = self.loop
        await withCheckedContinuation { continuation in
            let runs = loop.executeLater {
                loop.advance(by: milliseconds) { continuation.resume() }
            }
            if !runs { continuation.resume() }
        }
    }

    /// The time by which the clock was moved so far.
    public var elapsed: Duration {
        get async {
            let (loop, start) = (loop, state.start)
            return await memory.perform { .milliseconds(Int64(loop.now - start)) }
        }
    }

    /// Waits until nothing is left to do on the server's loop.
    public func settle() async { await memory.perform {} }

    // MARK: - Connections

    /// Opens a WebSocket.
    ///
    /// - Parameters:
    ///   - path: The path and query.
    ///   - subprotocols: The subprotocols that the client offers, the preferred one first.
    ///   - headerFields: Further fields of the request, such as `Authorization`.
    ///   - address: The client's IP address.
    ///   - compression: The compression that the client offers.
    ///   - options: The properties of the connection.
    /// - Throws: `ClientError` if the server refuses it; ``TestFailure`` if the address is invalid
    ///   or the server was stopped.
    public func connect(
        _ path: String, subprotocols: [String] = [], headerFields: HTTPFields = [:],
        from address: String = "192.0.2.1", compression: Compression = .off,
        wire options: WireConfiguration = WireConfiguration()
    ) async throws -> TestClient {
        let peer = try Self.peer(address)
        var settings = ConnectionConfiguration(
            limits: Limits(), heartbeat: Heartbeat(), compression: compression)
        // The server is tested, not the client, which takes everything and never pings.
        settings.heartbeat.interval = nil
        settings.limits.messageSizeMax = .bytes(1 << 40)
        settings.limits.outboxHighWater = .bytes(1 << 40)
        settings.limits.outboxMax = .bytes(1 << 40)
        settings.limits.closeTimeout = .seconds(86_400)
        settings.limits.handshakeTimeout = .seconds(86_400)
        settings.limits.messageTimeout = .seconds(86_400)
        let (loop, memory, state, seed) = (loop, memory, state, seed)
        return try await withCheckedThrowingContinuation { continuation in
            let runs = loop.executeLater { [settings] in
                let wire = state.makeWire(loop, options, seed)
                let inbox = Inbox(Arrivals(memory))
                memory.accept(wire.makeServerEnd(), from: peer)
                memory.connect(
                    wire.makeClientEnd(), path: path, nonce: state.nextNonce(),
                    subprotocols: subprotocols, headerFields: headerFields, options: settings,
                    handler: inbox
                ) { result in
                    let result = result.map { TestClient(wire, memory, $0.0, $0.1, inbox) }
                    loop.whenIdle {
                        continuation.resume(with: result.mapError { $0 as any Error })
                    }
                }
            }
            if !runs { continuation.resume(throwing: TestFailure.stopped) }
        }
    }

    /// Opens a connection for exact bytes. Throws ``TestFailure`` if the address is invalid or the
    /// server was stopped.
    ///
    /// - Parameters:
    ///   - address: The client's IP address.
    ///   - options: The properties of the connection.
    public func open(
        from address: String = "192.0.2.1", wire options: WireConfiguration = WireConfiguration()
    ) async throws -> TestSocket {
        let peer = try Self.peer(address)
        let (loop, memory, state, seed) = (loop, memory, state, seed)
        let socket = await memory.perform { () -> TestSocket? in
            if state.isStopped { return nil }
            let wire = state.makeWire(loop, options, seed)
            let socket = TestSocket(wire, memory)
            socket.begin()
            state.sockets.append(socket)
            memory.accept(wire.makeServerEnd(), from: peer)
            return socket
        }
        guard let socket else { throw TestFailure.stopped }
        return socket
    }

    private static func peer(_ text: String) throws -> SocketAddress {
        guard let address = IPAddress(text) else {
            throw TestFailure(description: "\(text) is no IP address")
        }
        switch address {
        case .v4(let number):
            return SocketAddress(family: .ipv4, port: 49_152, high: 0, low: UInt64(number))
        case .v6(let high, let low):
            return SocketAddress(family: .ipv6, port: 49_152, high: high, low: low)
        }
    }

    // MARK: - Requests

    /// Sends a GET request, and returns the response. Throws as `request` does.
    public func get(_ path: String, headerFields: HTTPFields = [:]) async throws -> TestResponse {
        try await request(.get, path, headerFields: headerFields)
    }

    /// Sends a request on a connection of its own, and returns the response.
    ///
    /// - Parameters:
    ///   - path: The path and query.
    ///   - address: The client's IP address.
    /// - Throws: ``DeadlineError`` if no response comes within `limit` of real time; ``SocketEnd``
    ///   if the connection ends before; ``TestFailure`` if the response or the address is invalid,
    ///   or the server was stopped.
    public func request(
        _ method: HTTPRequest.Method, _ path: String, headerFields: HTTPFields = [:],
        body: [UInt8] = [], from address: String = "192.0.2.1",
        within limit: Duration = patience
    ) async throws -> TestResponse {
        let request = HTTPRequest(
            method: method, scheme: "http", authority: "localhost",
            path: path, headerFields: headerFields)
        var bytes: [UInt8] = []
        RequestEncoder.encode(request, body: body, into: &bytes)
        let socket = try await open(from: address)
        let response = try await socket.exchange(bytes, isHead: method == .head, within: limit)
        await socket.close()
        return response
    }

    /// Sends a request with a body of text, and returns the response. Throws as the other
    /// `request`.
    public func request(
        _ method: HTTPRequest.Method, _ path: String, headerFields: HTTPFields = [:],
        body: String, from address: String = "192.0.2.1", within limit: Duration = patience
    ) async throws -> TestResponse {
        try await request(
            method, path, headerFields: headerFields, body: [UInt8](body.utf8), from: address,
            within: limit)
    }

    // MARK: - Transcript

    /// Records what the server receives and sends from now on, see ``transcript``.
    public func recordTranscript() async {
        await memory.perform { [state] in state.transcript = [] }
    }

    /// The reads and writes of the server so far, in order, each with its time. Two runs with the
    /// same seed have the same transcript. Empty without ``recordTranscript()``; connections that
    /// were open before aren't in it.
    public var transcript: [TranscriptEntry] {
        get async { await memory.perform { [state] in state.transcript ?? [] } }
    }

    // MARK: - The end

    /// Begins a graceful stop, which ``advance(by:)`` continues: Close frames are sent as the
    /// configuration says, without its `drain.delay`, which is of real time and must be zero.
    /// ``stop()`` has to follow.
    public func beginDraining() async {
        server.stop()
        // The server's task runs on other threads.
        while !(await memory.perform { [memory] in memory.isDraining }) { await Task.yield() }
    }

    /// Cuts all connections, and stops the server. Throws ``TestFailure`` if the server has left
    /// something open, such as memory of a connection.
    public func stop() async throws {
        await memory.perform { [state] in
            state.isStopped = true
            for socket in state.sockets { socket.drop() }
            state.sockets = []
        }
        if let leaks = try await memory.stop() { throw TestFailure(description: leaks) }
    }
}

/// The state of a ``TestServer``, for its loop.
private final class TestServerState: @unchecked Sendable {
    // Safety: touched on the loop only, except for `start`.
    let start: UInt64
    var isStopped = false
    var sockets: [TestSocket] = []
    var transcript: [TranscriptEntry]?
    private var wires = 0
    private var nonces = SplitMix(0)

    init(start: UInt64) { self.start = start }

    func makeWire(_ loop: EventLoop, _ options: WireConfiguration, _ seed: UInt64?) -> Wire {
        wires += 1
        let wire = Wire(number: wires, options: options, seed: seed)
        guard transcript != nil else { return wire }
        let number = wires
        wire.toServer.onRead = { [unowned self] bytes in
            note(number, .received, bytes, at: loop.now)
        }
        wire.toClient.onWrite = { [unowned self] bytes in
            note(number, .sent, bytes, at: loop.now)
        }
        return wire
    }

    private func note(
        _ connection: Int, _ direction: TranscriptEntry.Direction, _ bytes: [UInt8],
        at now: UInt64
    ) {
        transcript?.append(
            TranscriptEntry(
                time: .milliseconds(Int64(now - start)), connection: connection,
                direction: direction, bytes: bytes))
    }

    func nextNonce() -> [UInt8] { (0..<16).map { _ in UInt8.random(in: 0...255, using: &nonces) } }
}
