import Logging
public import WebSocketServer

/// A server that runs during one test, on a free port.
public struct LiveServer: Sendable {
    public let server: Server
    /// The addresses on which the server listens.
    public let addresses: [BoundAddress]

    /// The port of the first address; 0 for a Unix-domain socket.
    public var port: Int { addresses[0].port ?? 0 }

    /// Returns the URL of a path for ``WebSocketClient``.
    public func url(_ path: String) -> String {
        switch addresses[0] {
        case .ip: "ws://\(addresses[0])\(path)"
        case .unix(let socket): "ws+unix:\(socket):\(path)"
        }
    }
}

/// The error for resources that a stopped server or client hasn't released.
public struct LeakError: Error, CustomStringConvertible {
    public let description: String
}

/// Runs a server during `body`, then stops it and checks that nothing is left: no handle, no
/// buffer, no connection.
///
/// - Parameters:
///   - configure: Changes the configuration. By default, the server listens on a free port of
///     127.0.0.1 with one loop, answers to any name, and drains connections without a delay.
///   - body: Receives the running server. Its result is returned, and its error thrown.
/// - Throws: ``LeakError``, and the errors of `body` and of the server.
public func withServer<Value: Sendable>(
    _ router: Router, broker: any Broker = MemoryBroker(), logger: Logger = .silent,
    configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: @escaping @Sendable (LiveServer) async throws -> Value
) async throws -> Value {
    var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: 0))
    configuration.loops = 1
    configuration.drain.spread = .zero
    configuration.drain.deadline = .seconds(5)
    configuration.limits = .patient
    configuration.heartbeat.interval = nil
    // The clients of tests name any host.
    configuration.names = .any
    configure(&configuration)
    let (listening, continuation) = AsyncStream<[BoundAddress]>.makeStream()
    let server = try Server(
        configuration: configuration, router: router, broker: broker, logger: logger
    ) {
        continuation.yield($0)
    }
    let running = Task {
        defer { continuation.finish() }
        try await server.run()
    }
    let result: Result<Value, any Error>
    do {
        var addresses = listening.makeAsyncIterator()
        guard let bound = await addresses.next() else {
            // The server couldn't listen: `running` throws the reason.
            try await running.value
            throw LeakError(description: "the server ended before it listened")
        }
        result = .success(try await body(LiveServer(server: server, addresses: bound)))
    } catch {
        result = .failure(error)
    }
    server.stop()
    try await running.value
    let value = try result.get()
    if let ledger = server.ledger, !ledger.isZero { throw LeakError(description: "\(ledger)") }
    return value
}

/// Runs `body` with a client, then shuts the client down and checks that nothing is left.
public func withClient<Value: Sendable>(
    loops: Int = 1, limits: Limits = .patient, heartbeat: Heartbeat? = nil,
    compression: Compression = .off, tls: ClientTLS = ClientTLS(),
    _ body: @escaping @Sendable (WebSocketClient) async throws -> Value
) async throws -> Value {
    let client = try WebSocketClient(
        loops: loops, limits: limits, heartbeat: heartbeat, compression: compression, tls: tls,
        logger: .silent)
    let result: Result<Value, any Error>
    do {
        result = .success(try await body(client))
    } catch {
        result = .failure(error)
    }
    await client.shutdown()
    let value = try result.get()
    if let ledger = client.ledger, !ledger.isZero { throw LeakError(description: "\(ledger)") }
    return value
}

extension Limits {
    /// The default limits with long timeouts, because the peers in tests are slow on a busy
    /// machine. Tests of timeouts set their own.
    public static var patient: Limits {
        var limits = Limits()
        limits.handshakeTimeout = .seconds(120)
        limits.authenticationTimeout = .seconds(120)
        limits.closeTimeout = .seconds(120)
        return limits
    }
}

extension Logger {
    /// A logger without output.
    public static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
