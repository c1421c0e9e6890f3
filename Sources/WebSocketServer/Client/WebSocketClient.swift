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
    private let budgets: MemoryBudgets
    /// The settings of all connections; what only a server has is unused.
    private let configuration: ServerConfiguration
    private let defaults: ConnectionConfiguration
    private let options: SessionOptions
    private let tls: ClientTLSContext
    private let next = Atomic<Int>(0)
    private let lastLedger = Mutex<Ledger?>(nil)
    private let isShutDown = Atomic<Bool>(false)
    private let reconnecting = Mutex<[ObjectIdentifier: ReconnectingConnection]>([:])

    /// Creates a client and starts its event loops.
    ///
    /// - Parameters:
    ///   - loops: The number of event loops, each with a thread of its own. `1...256`.
    ///   - limits: The limits of each connection, and of the client as a whole.
    ///   - heartbeat: The heartbeat. `nil` sends no pings, because servers usually do.
    ///   - compression: The compression to offer. By default none is offered.
    ///   - tls: The servers that `wss` URLs may lead to. By default, those that the system trusts.
    ///   - logger: Receives warnings and errors. Payloads are never logged.
    /// - Throws: ``ClientError/Code/invalidConfiguration`` with all invalid settings together, or
    ///   ``ClientError/Code/cannotStart``.
    public init(
        loops: Int = 1, limits: Limits = Limits(), heartbeat: Heartbeat? = nil,
        compression: Compression = .off, tls: ClientTLS = ClientTLS(),
        logger: Logger = Logger(label: "apus.client")
    ) throws(ClientError) {
        var configuration = ServerConfiguration()
        configuration.loops = loops
        configuration.limits = limits
        configuration.heartbeat = heartbeat ?? .off
        configuration.compression = compression
        let errors = configuration.validationErrors
        if !errors.isEmpty { throw ClientError(errors) }
        self.configuration = configuration
        do {
            group = try EventLoopGroup(count: loops)
        } catch {
            throw ClientError(.cannotStart, "\(error)", underlying: error)
        }
        let budgets = MemoryBudgets(limits, compression)
        let warnings = ServerWarnings(logger: logger)
        self.loops = group.loops.map {
            LoopResources(
                loop: $0, logger: logger, warnings: warnings, budgets: budgets, admission: nil)
        }
        self.budgets = budgets
        defaults = ConnectionConfiguration(
            limits: limits, heartbeat: configuration.heartbeat, compression: compression)
        options = SessionOptions(defaults, isServer: false)
        self.tls = ClientTLSContext(tls)
    }

    /// Connects, and returns a connection for `async` code.
    ///
    /// - Parameters:
    ///   - url: `ws://host:port/path`, `wss://host:port/path`, or `ws+unix:/run/apus.sock:/path`.
    ///     If a host has several addresses, the next one is tried as soon as one fails, or 250 ms
    ///     later while it doesn't answer (RFC 8305 §5). The first one that accepts a connection is
    ///     used.
    ///   - subprotocols: The subprotocols to offer, in order of preference.
    ///   - headerFields: Header fields to send, such as `Origin` or `Authorization`.
    ///   - adjusting: Changes the client's limits, heartbeat or compression for this connection.
    ///     The lookup of the host's name and the handshake take at most
    ///     ``Limits/handshakeTimeout`` together. An invalid value is thrown as
    ///     ``ClientError/Code/invalidConfiguration``.
    /// - Throws: An error of any ``ClientError/Code`` but `cannotStart`. ``ClientError/Code/refused``
    ///   comes with the response.
    public func connect(
        to url: String, subprotocols: [String] = [], headerFields: HTTPFields = [:],
        adjusting: ConnectionConfiguration.Adjust? = nil
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

    func connect(
        to url: String, _ subprotocols: [String], _ headerFields: HTTPFields,
        _ bridge: AsyncBridge, _ adjusting: ConnectionConfiguration.Adjust?
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
        adjusting: ConnectionConfiguration.Adjust? = nil, handler: sending any ConnectionHandler
    ) async throws(ClientError) -> Connection {
        try await open(url, subprotocols, headerFields, adjusting, handler).0
    }

    /// Opens a connection.
    ///
    /// - Parameter addresses: The addresses to try in place of those that the URL's host has.
    func open(
        _ text: String, _ subprotocols: [String], _ headerFields: HTTPFields,
        _ adjust: ConnectionConfiguration.Adjust?, _ handler: any ConnectionHandler,
        addresses: [ConnectAddress]? = nil
    ) async throws(ClientError) -> (Connection, HTTPResponse) {
        let url = try WebSocketURL(text, hasTLS: true)
        let tls = try self.tls.settings(for: url)
        guard subprotocols.allSatisfy(HeaderGrammar.isToken),
            Set(subprotocols).count == subprotocols.count
        else {
            throw ClientError(.invalidSubprotocol, "subprotocols are tokens, each named once")
        }
        var values = defaults
        if let adjust {
            let errors = configuration.errors(adjustedBy: adjust)
            if !errors.isEmpty { throw ClientError(errors) }
            adjust(&values)
        }
        let options = adjust == nil ? self.options : SessionOptions(values, isServer: false)
        let (timeout, began) = (values.limits.handshakeTimeout, ContinuousClock.now)
        let found =
            if let addresses { addresses } else { try await url.place.addresses(within: timeout) }
        let rest = max(.milliseconds(1), timeout - (.now - began))
        let race = AddressRace(found, tls: tls, options: options, timeout: rest) {
            Self.exchange(url, subprotocols, headerFields, handler, values)
        }
        return try await run(race).get()
    }

    /// Sends a plain request. Its response is thrown as ``ClientError/Code/refused``.
    func open(
        _ url: WebSocketURL, as request: HTTPRequest
    ) async throws(ClientError) -> (Connection, HTTPResponse) {
        let (limits, began) = (defaults.limits, ContinuousClock.now)
        let tls = try self.tls.settings(for: url)
        let found = try await url.place.addresses(within: limits.handshakeTimeout)
        let rest = max(.milliseconds(1), limits.handshakeTimeout - (.now - began))
        let race = AddressRace(found, tls: tls, options: options, timeout: rest) {
            ClientExchange(
                handshake: nil, request: request, handler: NoHandler.shared,
                limits: HTTPLimits(limits))
        }
        return try await run(race).get()
    }

    private static func exchange(
        _ url: WebSocketURL, _ subprotocols: [String], _ headerFields: HTTPFields,
        _ handler: any ConnectionHandler, _ options: ConnectionConfiguration
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

    private func run(_ race: AddressRace) async -> ClientExchange.Outcome {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        let resources = loops[number % loops.count]
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let runs = resources.loop.execute {
                    race.begin(on: resources) { continuation.resume(returning: $0) }
                }
                if !runs {
                    let error = ClientError(.shutDown, "the client is shut down")
                    continuation.resume(returning: .failure(error))
                }
            }
        } onCancel: {
            resources.loop.execute { race.cancel() }
        }
    }

    // MARK: - Reconnecting

    /// Returns a connection that is made at once, and again whenever it is lost.
    ///
    /// It lasts until it is closed (``ReconnectingConnection/close(_:reason:)``), the client is
    /// shut down, or `policy` gives up.
    ///
    /// - Parameters:
    ///   - url: As for ``connect(to:subprotocols:headerFields:adjusting:)``, like the next two.
    ///   - policy: The delays between attempts, and the errors and close codes that end it.
    ///   - prepare: Called before each attempt, the first one included. It may change the URL, the
    ///     subprotocols and the header fields, for instance to a fresh token. An error that it
    ///     throws counts as a failed attempt.
    ///   - onEvent: Called for each change, one after the other; it must not block.
    ///   - adjusting: Changes the client's limits, heartbeat or compression for its connections.
    public func reconnecting(
        to url: String, subprotocols: [String] = [], headerFields: HTTPFields = [:],
        policy: ReconnectPolicy = ReconnectPolicy(),
        prepare: (@Sendable (inout ConnectionAttempt) async throws -> Void)? = nil,
        onEvent: @escaping @Sendable (ReconnectEvent) -> Void = { _ in },
        adjusting: ConnectionConfiguration.Adjust? = nil
    ) -> ReconnectingConnection {
        let first = ConnectionAttempt(
            url: url, subprotocols: subprotocols, headerFields: headerFields)
        return reconnecting(
            ReconnectSettings(
                attempt: first, policy: policy, adjusting: adjusting, prepare: prepare,
                onEvent: onEvent))
    }

    func reconnecting(_ settings: ReconnectSettings) -> ReconnectingConnection {
        let connection = ReconnectingConnection(self, settings)
        reconnecting.withLock { $0[ObjectIdentifier(connection)] = connection }
        connection.start()
        if isShutDown.load(ordering: .relaxed) { connection.shutDown() }
        return connection
    }

    /// Forgets a connection that is over.
    func ended(_ connection: ReconnectingConnection) {
        reconnecting.withLock { $0[ObjectIdentifier(connection)] = nil }
    }

    // MARK: - Shutdown

    /// Closes all connections with 1001, waits until they are closed, and stops the event loops.
    ///
    /// That takes at most ``Limits/closeTimeout`` and a second for the tasks of handlers, unless a
    /// server is still receiving queued output. Calling it again has no effect.
    public func shutdown() async {
        guard !isShutDown.exchange(true, ordering: .relaxed) else { return }
        for connection in reconnecting.withLock({ $0.values.map(\.self) }) { connection.shutDown() }
        // A loop can't wait for its own end.
        await withTaskExecutorPreference(globalConcurrentExecutor) {
            await withTaskGroup(of: Void.self) { tasks in
                for resources in loops { tasks.addTask { await Self.close(resources) } }
            }
            let handles = group.shutdown()
            let ledger = Ledger(of: loops, handles: handles, budgets: budgets)
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
                        _ = connection.opening?.drain(on: connection)
                        connection.terminate()
                    } else {
                        connection.beginClosing(.goingAway, "")
                    }
                }
                registry.whenEmpty {
                    resources.tasks.wait(until: resources.loop.now) { continuation.resume() }
                }
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
