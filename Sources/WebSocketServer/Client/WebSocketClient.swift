import HTTPProtocol
public import HTTPTypes
public import Logging
import Synchronization
import UVTransport
import WebSocketProtocol

/// A WebSocket client: many connections on a few event loops.
///
/// Its connections share its event loops, limits and heartbeat. Call ``shutdown()`` in the end; a
/// client that is released without it stops each event loop once the last connection is closed.
public final class WebSocketClient: Sendable {
    private let group: EventLoopGroup
    private let loops: [LoopResources]
    private let budget: ByteBudget
    private let memory: ByteBudget
    private let contextBudget: ByteBudget
    private let defaults: ConnectionOptions
    private let options: SessionOptions
    private let tls: ClientTLSContext
    private let next = Atomic<Int>(0)
    private let lastLedger = Mutex<Ledger?>(nil)
    private let isShutDown = Atomic<Bool>(false)

    /// Creates a client and starts its event loops.
    ///
    /// - Parameters:
    ///   - loops: The number of event loops, each with a thread of its own. `1...256`.
    ///   - limits: The limits of each connection, and of the client as a whole.
    ///   - heartbeat: The heartbeat. `nil` sends no pings, because servers usually do.
    ///   - compression: The compression to offer. By default none is offered.
    ///   - tls: The servers that `wss` URLs may lead to. By default, those that the system trusts.
    ///   - logger: Receives warnings and errors. Payloads are never logged.
    /// - Throws: ``ClientError/Code/cannotStart``.
    public init(
        loops: Int = 1, limits: Limits = Limits(), heartbeat: Heartbeat? = nil,
        compression: Compression = .off, tls: ClientTLS = ClientTLS(),
        logger: Logger = Logger(label: "apus.client")
    ) throws(ClientError) {
        do {
            group = try EventLoopGroup(count: loops)
        } catch {
            throw ClientError(.cannotStart, "\(error)", underlying: error)
        }
        let memory = ByteBudget(
            max: max(limits.memoryMax, limits.assemblySizeMax, limits.messageSizeMax).bytes)
        let budget = ByteBudget(
            max: max(limits.assemblySizeMax, limits.messageSizeMax).bytes, within: memory)
        let contextBudget = ByteBudget(max: compression.memoryMax.bytes)
        let warnings = ServerWarnings(logger: logger)
        self.loops = group.loops.map {
            LoopResources(
                loop: $0, logger: logger, warnings: warnings, memory: memory, assemblies: budget,
                contexts: contextBudget, admission: nil)
        }
        self.budget = budget
        self.memory = memory
        self.contextBudget = contextBudget
        defaults = ConnectionOptions(
            limits: limits, heartbeat: heartbeat ?? .off, compression: compression)
        options = SessionOptions(defaults)
        self.tls = ClientTLSContext(tls)
    }

    /// Connects, and returns a connection for `async` code.
    ///
    /// - Parameters:
    ///   - url: `ws://host:port/path`, `wss://host:port/path`, or `ws+unix:/run/apus.sock:/path`.
    ///     The addresses of a host are tried one after the other, each for
    ///     ``Limits/handshakeTimeout`` at most.
    ///   - subprotocols: The subprotocols to offer, in order of preference.
    ///   - headerFields: Header fields to send, such as `Origin` or `Authorization`.
    ///   - adjusting: Changes the client's limits, heartbeat or compression for this connection.
    public func connect(
        to url: String, subprotocols: [String] = [], headerFields: HTTPFields = [:],
        adjusting: ConnectionOptions.Adjust? = nil
    ) async throws(ClientError) -> ClientConnection {
        try await connect(to: url, subprotocols, headerFields, AsyncBridge(), adjusting)
    }

    /// Connects like the other method, for a caller that wants to see pings and pongs.
    ///
    /// - Parameters:
    ///   - onControlFrame: Called on the connection's loop, and must not block. Pings are answered
    ///     without it.
    package func connect(
        to url: String, subprotocols: [String], headerFields: HTTPFields,
        onControlFrame: @escaping @Sendable (ControlFrame) -> Void
    ) async throws(ClientError) -> ClientConnection {
        let bridge = ObservingBridge(onControlFrame)
        return try await connect(to: url, subprotocols, headerFields, bridge, nil)
    }

    private func connect(
        to url: String, _ subprotocols: [String], _ headerFields: HTTPFields,
        _ bridge: AsyncBridge, _ adjusting: ConnectionOptions.Adjust?
    ) async throws(ClientError) -> ClientConnection {
        let (connection, response) = try await open(
            url, subprotocols, headerFields, adjusting, bridge)
        return ClientConnection(connection: connection, response: response, bridge: bridge)
    }

    /// Connects, and delivers events to a handler, which runs on the connection's event loop and
    /// costs less than `async` code. For the parameters see
    /// ``connect(to:subprotocols:headerFields:adjusting:)``.
    @discardableResult
    public func connect(
        to url: String, subprotocols: [String] = [], headerFields: HTTPFields = [:],
        adjusting: ConnectionOptions.Adjust? = nil, handler: sending any ConnectionHandler
    ) async throws(ClientError) -> Connection {
        try await open(url, subprotocols, headerFields, adjusting, handler).0
    }

    private func open(
        _ text: String, _ subprotocols: [String], _ headerFields: HTTPFields,
        _ adjust: ConnectionOptions.Adjust?, _ handler: any ConnectionHandler
    ) async throws(ClientError) -> (Connection, HTTPResponse) {
        let url = try WebSocketURL(text, hasTLS: true)
        let tls = try self.tls.settings(for: url)
        guard subprotocols.allSatisfy(HeaderGrammar.isToken),
            Set(subprotocols).count == subprotocols.count
        else {
            throw ClientError(.invalidSubprotocol, "subprotocols are tokens, each named once")
        }
        var values = defaults
        adjust?(&values)
        let options = adjust == nil ? self.options : SessionOptions(values)
        let timeout = values.limits.handshakeTimeout.milliseconds
        var failure = ClientError(.cannotConnect, "\(text) has no address")
        for address in try await url.addresses() {
            let exchange = Self.exchange(url, subprotocols, headerFields, handler, values)
            switch await run(exchange, address, tls, options, timeout) {
            case .success(let opened): return opened
            case .failure(let error):
                failure = error
                if error.code != .cannotConnect { throw error }
            }
        }
        throw failure
    }

    private static func exchange(
        _ url: WebSocketURL, _ subprotocols: [String], _ headerFields: HTTPFields,
        _ handler: any ConnectionHandler, _ options: ConnectionOptions
    ) -> ClientExchange {
        var generator = SystemRandomNumberGenerator()
        let nonce = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        let handshake = ClientHandshake(
            nonce: nonce, subprotocols: subprotocols,
            extensions: options.compression.offer.map { [$0] } ?? [])
        let limits = options.limits
        return ClientExchange(
            handshake: handshake,
            request: handshake.request(
                authority: url.authority, path: url.target, additional: headerFields),
            handler: handler,
            limits: HTTPLimits(limits))
    }

    private func run(
        _ exchange: ClientExchange, _ address: ConnectAddress, _ tls: TLSClientSettings?,
        _ options: SessionOptions, _ timeout: UInt64
    ) async -> ClientExchange.Outcome {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        let resources = loops[number % loops.count]
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let runs = resources.loop.execute {
                    exchange.begin(
                        address, tls: tls, on: resources, options: options, timeout: timeout
                    ) { continuation.resume(returning: $0) }
                }
                if !runs {
                    let error = ClientError(.shutDown, "the client is shut down")
                    continuation.resume(returning: .failure(error))
                }
            }
        } onCancel: {
            resources.loop.execute { exchange.cancel() }
        }
    }

    // MARK: - Shutdown

    /// Closes all connections with 1001, waits until they are closed, and stops the event loops.
    ///
    /// That takes at most ``Limits/closeTimeout``, unless a server is still receiving queued
    /// output. Calling it again has no effect.
    public func shutdown() async {
        guard !isShutDown.exchange(true, ordering: .relaxed) else { return }
        // A loop can't wait for its own end.
        await withTaskExecutorPreference(globalConcurrentExecutor) {
            await withTaskGroup(of: Void.self) { tasks in
                for resources in loops { tasks.addTask { await Self.close(resources) } }
            }
            let handles = group.shutdown()
            let ledger = Ledger(
                handles: handles,
                buffers: loops.reduce(0) { $0 + $1.assemblies.outstanding },
                assemblyBytes: budget.bytesUsed, memoryBytes: memory.bytesUsed,
                contextBytes: contextBudget.bytesUsed,
                notes: loops.reduce(0) { $0 + $1.registry.noteCount })
            lastLedger.withLock { $0 = ledger }
        }
    }

    deinit {
        guard !isShutDown.load(ordering: .relaxed) else { return }
        for resources in loops {
            // Not waited for: this may be the thread of a loop.
            resources.loop.execute {
                resources.registry.whenEmpty { resources.loop.stop() }
            }
        }
    }

    /// The resources that were left open when the client was shut down; `nil` before.
    package var ledger: Ledger? { lastLedger.withLock { $0 } }

    private static func close(_ resources: LoopResources) async {
        await withCheckedContinuation { continuation in
            resources.loop.execute {
                let registry = resources.registry
                registry.isDraining = true
                for connection in registry.snapshot() {
                    if connection.stage == .opening {
                        _ = unsafe connection.opening?.drain(on: connection)
                        connection.terminate()
                    } else {
                        connection.beginClosing(.goingAway, "")
                    }
                }
                registry.whenEmpty { continuation.resume() }
            }
        }
    }
}

extension Heartbeat {
    static var off: Heartbeat {
        var heartbeat = Heartbeat()
        heartbeat.interval = nil
        return heartbeat
    }
}
