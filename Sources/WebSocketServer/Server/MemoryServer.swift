package import HTTPTypes
import HTTPProtocol
package import UVTransport
import WebSocketProtocol

/// A server without sockets, for tests: its connections are transports in memory, and time passes
/// only when the test moves the clock of its one loop.
///
/// Everything else is the real server. Its clients' connections are on the same loop, so that one
/// thread does all the work, in the same order in each run.
package final class MemoryServer: Sendable {
    package let server: Server
    private let running: RunningLoop
    private let task: Task<Void, any Error>

    /// Starts the server.
    package init(
        configuration: ServerConfiguration, router: Router, broker: any Broker, logger: Logger
    ) async throws {
        let (started, continuation) = AsyncStream<Void>.makeStream()
        let server = try Server(
            manualWith: configuration, router: router, broker: broker, logger: logger
        ) { continuation.yield() }
        self.server = server
        task = Task {
            defer { continuation.finish() }
            try await server.run()
        }
        for await _ in started { break }
        guard let loop = server.runningLoops.first else {
            // The task throws the reason.
            try await task.value
            throw CancellationError()
        }
        running = RunningLoop(loop, logger: logger)
    }

    deinit {
        let clients = running.client
        running.server.loop.execute { Self.end(clients) {} }
        task.cancel()
    }

    /// The one loop of the server and its clients.
    package var loop: EventLoop { running.server.loop }

    /// Makes a connection of the server from a transport. To be called on the loop.
    package func accept(_ transport: StreamTransport, from peer: SocketAddress) {
        running.server.accept(.transport(transport), from: peer)
    }

    /// Makes a client's connection of a transport and does the opening handshake, on the loop.
    ///
    /// - Parameters:
    ///   - nonce: The 16 bytes of `Sec-WebSocket-Key`.
    ///   - completion: Called on the loop with the connection and the response.
    package func connect(
        _ transport: StreamTransport, path: String, nonce: [UInt8], subprotocols: [String],
        headerFields: HTTPFields, options: ConnectionConfiguration, handler: any ConnectionHandler,
        completion: @escaping (Result<(Connection, HTTPResponse), ClientError>) -> Void
    ) {
        let handshake = ClientHandshake(
            nonce: nonce, subprotocols: subprotocols,
            extensions: options.compression.offer.map { [$0] } ?? [])
        let exchange = ClientExchange(
            handshake: handshake,
            request: handshake.request(
                authority: "localhost", path: path, additional: headerFields),
            handler: handler, limits: HTTPLimits(options.limits))
        exchange.begin(
            transport, to: .unix, on: running.client,
            options: SessionOptions(options, isServer: false),
            timeout: options.limits.handshakeTimeout.milliseconds, completion: completion)
    }

    /// Runs a closure on the loop. Returns its result once the loop has nothing left to do.
    @discardableResult
    package func perform<Value: Sendable>(
        _ body: @escaping @Sendable () -> Value
    ) async -> Value {
        let loop = self.loop
        let value: Value? = await withCheckedContinuation { continuation in
            let runs = loop.executeLater {
                let value = body()
                loop.whenIdle { continuation.resume(returning: value) }
            }
            if !runs { continuation.resume(returning: nil) }
        }
        if let value { return value }
        // The loop's thread has ended once the server has, so nothing else touches the state.
        _ = await task.result
        return body()
    }

    /// Whether connections are being drained; on the loop.
    package var isDraining: Bool { running.server.resources.registry.isDraining }

    /// Ends all connections, and stops the server. Returns the error for what was left open, if
    /// anything was.
    package func stop() async throws -> String? {
        let (running, loop) = (self.running, self.loop)
        await withCheckedContinuation { continuation in
            let runs = loop.execute { Self.end(running.client) { continuation.resume() } }
            if !runs { continuation.resume() }
        }
        // Tasks that ignore their cancellation are left after a second of the clock, which stands
        // still. They get more of the real time.
        let patience = Task {
            try await Task.sleep(for: .seconds(30))
            loop.executeLater { loop.advance(by: 2_000) {} }
        }
        defer { patience.cancel() }
        // A drain would wait for connections that aren't read from, and for the clock.
        task.cancel()
        try await task.value
        var ledgers: [String] = []
        if let ledger = server.ledger, !ledger.isZero { ledgers.append("server: \(ledger)") }
        let ledger = running.clientLedger
        if !ledger.isZero { ledgers.append("clients: \(ledger)") }
        return ledgers.isEmpty ? nil : ledgers.joined(separator: "; ")
    }

    /// Ends the connections of all clients, and calls back when none is left; on the loop.
    private static func end(_ clients: LoopResources, done: @escaping () -> Void) {
        clients.registry.isDraining = true
        for connection in clients.registry.snapshot() { connection.terminate(reset: true) }
        clients.registry.whenEmpty(done)
    }
}

/// The loop of a ``MemoryServer``, and what its clients share.
private final class RunningLoop: Sendable {
    let server: ServerLoop
    let client: LoopResources
    private let budgets = MemoryBudgets(size: .max / 4)

    init(_ server: ServerLoop, logger: Logger) {
        self.server = server
        client = LoopResources(
            loop: server.loop, logger: logger, warnings: ServerWarnings(logger: logger),
            budgets: budgets, admission: nil)
    }

    /// The resources of the clients that are left; read once the loop has stopped.
    var clientLedger: Ledger {
        Ledger(
            buffers: client.assemblies.outstanding, assemblyBytes: budgets.assemblies.bytesUsed,
            memoryBytes: budgets.memory.bytesUsed, contextBytes: budgets.contexts.bytesUsed,
            notes: client.registry.noteCount)
    }
}
