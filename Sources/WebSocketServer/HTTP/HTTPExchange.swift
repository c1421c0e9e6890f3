import HTTPProtocol
import HTTPTypes
import Synchronization
import UVTransport
import WebSocketProtocol

/// HTTP/1.1 on a connection of a server: one request after the other, until one upgrades it.
final class HTTPExchange: OpeningPhase {
    enum State {
        /// A head is awaited or arriving.
        case head
        /// A request's content is arriving.
        case body(RequestHead, Router.Respond, PathParameters)
        /// A handler or a middleware is at work. If the request's content is unread, the connection
        /// ends with the response.
        case responding(RequestHead, isContentUnread: Bool)
        /// A route decides on an upgrade, or on a plain request of its path.
        case deciding(PendingUpgrade)
        /// A response is being sent in parts.
        case streaming(ResponseStream)
        /// The last response is sent; later bytes are dropped.
        case finished
    }

    /// The service; unowned, because it owns the exchanges that are not in use.
    unowned let service: HTTPService
    private(set) var parser: RequestParser
    var state = State.head
    /// The content of the request that is arriving.
    var body: [UInt8] = []
    var pipelined = PipelinedBytes()
    /// The pipelined bytes are parsed in a later turn of the loop.
    var awaitsTurn = false
    /// The trusted proxy that connected, if one did.
    var proxy: SocketAddress?
    /// Whether the connection was accepted while the server was overloaded.
    var isRefusable = false
    /// The check of the names in requests; `nil` if any name is accepted.
    var names: HostCheck?
    /// The pages that may read the response to the current request.
    var access = CrossOriginAccess.never
    /// The request that has no complete response yet, for the access log.
    var accessEntry: AccessEntry?
    /// The number of requests, invalid ones included.
    var requestCount = 0
    /// The number of the route that the current request is for; 0 for none.
    var route = 0
    /// The time of the current request's first byte, by the loop's clock in nanoseconds.
    private(set) var requestBegan: UInt64 = 0
    /// The task of the handler or middleware that is at work.
    var task: Task<Void, Never>?
    /// The milliseconds since the client sent its last byte, when it was probed last.
    var probeDelay: UInt64 = 0

    init(service: HTTPService) {
        self.service = service
        parser = RequestParser(limits: service.settings.limits)
    }

    var settings: HTTPSettings { service.settings }

    /// Makes the exchange one for a new connection.
    func reset() {
        parser = RequestParser(limits: settings.limits)
        state = .head
        awaitsTurn = false
        proxy = nil
        requestCount = 0
    }

    /// Releases everything that the exchange holds. The exchange itself stays for a later
    /// connection.
    func retire() {
        state = .finished
        access = .never
        body = []
        accessEntry = nil
        pipelined.removeAll()
        service.keep(self)
    }

    /// Starts the clock of the next request. Until it has come, the connection may be evicted.
    func begin(on connection: ConnectionCore) {
        takeLimits()
        connection.waitInPlace(as: proxy)
        access = settings.origins.access(for: nil)
        route = 0
        connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
    }

    override func settingsChanged() { takeLimits() }

    /// Takes over the present limits for the next request. One that is arriving keeps its own.
    private func takeLimits() {
        if parser.isIdle { parser.limits = settings.limits }
    }

    override func received(_ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore) {
        let unread = unsafe receive(bytes, on: connection)
        guard unread > 0 else { return }
        unsafe pipelined.append(bytes.suffix(unread))
        pauseReadingIfFull(on: connection)
    }

    /// Pauses reading while a request is answered and enough waits behind it. Until then the
    /// connection continues to read, because that is how it notices that the client has left.
    func pauseReadingIfFull(on connection: ConnectionCore) {
        if isAnswering, pipelined.count >= PipelinedBytes.sizeMax {
            connection.setReadingPaused(true, .http)
        }
    }

    /// Whether a request is being answered, so that later bytes wait.
    private var isAnswering: Bool {
        switch state {
        case .responding, .deciding, .streaming: true
        case .head, .body, .finished: false
        }
    }

    /// Parses one request after the other. Returns the number of bytes at the end that must wait.
    func receive(
        _ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore
    ) -> Int {
        if awaitsTurn { return bytes.count }
        if bytes.count > TurnQueue.shortSize, connection.resources.isTurnOver() {
            awaitTurn(on: connection)
            return bytes.count
        }
        var rest = unsafe bytes
        let began = connection.resources.codecs.now()
        if parser.isIdle { requestBegan = began }
        defer {
            connection.resources.longReadNanoseconds &+= connection.resources.codecs.now() &- began
        }
        var isFirst = true
        // An event may need no bytes: the end of a request without content.
        while connection.stage == .opening {
            switch state {
            case .head, .body: break
            case .responding, .deciding, .streaming: return rest.count
            case .finished: return 0
            }
            // A peer that doesn't read the answers gets no further ones.
            if connection.outboxCount > connection.options.outboxHighWater {
                connection.setReadingPaused(true, .outbox)
                return rest.count
            }
            // A peer that asks for much at once is answered in several turns.
            if !isFirst, rest.count > 0,
                connection.resources.codecs.now() &- began > TurnQueue.shareMax
            {
                awaitTurn(on: connection)
                return rest.count
            }
            isFirst = false
            let (event, consumed) = unsafe parser.parse(UnsafeRawBufferPointer(rest))
            let piece = UnsafeRawBufferPointer(rest)
            unsafe rest = unsafe UnsafeMutableRawBufferPointer(rebasing: rest[consumed...])
            switch event {
            case .needMore: return 0
            case .head(let head): unsafe receivedHead(head, &rest, on: connection)
            case .body(let range):
                if case .body = state { unsafe body.append(contentsOf: piece[range]) }
            case .end: receivedAll(on: connection)
            case .failed(let fault): refuse(fault, isHead: isHead, on: connection)
            }
        }
        return 0
    }

    private func receivedHead(
        _ head: RequestHead, _ rest: inout UnsafeMutableRawBufferPointer,
        on connection: ConnectionCore
    ) {
        connection.resources.counters.requests += 1
        requestCount &+= 1
        let request = head.request
        connection.judgeRequest(for: client(of: request.headerFields))
        if let log = connection.resources.access { beginAccess(head, log, on: connection) }
        access = settings.origins.access(for: request.headerFields[.origin])
        let isHead = request.method == .head
        // There is a request now that can be answered with 503.
        if connection.admission >= .overHeadroom {
            connection.resources.counters.refusedByHeadroom += 1
            connection.resources.warnings.crowded.log(["peer": "\(connection.peer)"], kind: 503)
            return refuse(.tooManyConnections, isHead: isHead, on: connection)
        }
        if let names, !names.allows(request.authority, isProxied: proxy != nil) {
            connection.resources.counters.misdirected += 1
            connection.resources.warnings.misdirected.log([
                "host": "\(request.authority ?? "")", "peer": "\(connection.peer)",
                "path": "\(request.loggedPath)",
            ])
            return refuse(.misdirected, head, on: connection)
        }
        let isUpgrade = !head.isHTTP10 && OpeningHandshake.isUpgradeRequest(request)
        if refuseIfOverloaded(head, isUpgrade: isUpgrade, on: connection) { return }
        switch settings.routes.find(head, isUpgrade: isUpgrade) {
        case .webSocket(let route, let parameters):
            self.route = route.number
            let pending = PendingUpgrade(head, route, parameters, settings)
            unsafe decide(pending, &rest, on: connection)
        case .upgradeRequired(let route, let parameters):
            self.route = route.number
            let pending = PendingUpgrade(head, route, parameters, settings, isPlain: true)
            unsafe decide(pending, &rest, on: connection)
        case .respond(let respond, let parameters, let number, let hasMiddleware):
            route = number
            if request.method.changesState, !hasMiddleware,
                let fault = settings.originCheck.fault(of: request)
            {
                return refuse(fault, head, on: connection)
            }
            state = .body(head, respond, parameters)
            connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
            if head.expectsContinue { connection.sendRaw(ResponseEncoder.continue100) }
        case .unmatched(let reason): answerUnmatched(reason, head, on: connection)
        }
    }

    override func takeTurn(on connection: ConnectionCore) {
        guard awaitsTurn else { return }
        awaitsTurn = false
        connection.setReadingPaused(false, .held)
        switch state {
        case .head, .body: receivePipelined(on: connection)
        case .responding, .deciding, .streaming, .finished: return
        }
    }

    override func shed(on connection: ConnectionCore) -> Bool {
        guard case .body(let head, _, _) = state else { return false }
        body = []
        pipelined.removeAll()
        refuse(.outOfMemory, isHead: head.request.method == .head, on: connection)
        connection.countMemory()
        return true
    }

    override var heldSize: Int { body.capacity + pipelined.capacity + parser.heldSize }

    override func outboxShrank(isLow: Bool, on connection: ConnectionCore) {
        // The end of a client that sends no more has been reported; a failed write comes here.
        if connection.hasEnded, !connection.isOpen {
            return connection.terminate(reason: "client left")
        }
        switch state {
        case .head, .body: break
        case .streaming(let stream): return stream.outboxShrank(isLow: isLow, on: connection)
        case .responding, .deciding, .finished: return
        }
        // A client that takes its response is not late with its next request.
        connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
        if isLow, !awaitsTurn { receivePipelined(on: connection) }
    }

    // MARK: - Ends

    override func deadlinePassed(on connection: ConnectionCore) {
        switch state {
        case .responding: return probeClient(on: connection)
        case .deciding(let pending): return abandon(pending, on: connection)
        case .head, .body, .streaming, .finished: break
        }
        // As in `outboxShrank`, for bytes that the kernel has taken and the peer has not.
        if connection.mayBeTaking() {
            return connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
        }
        connection.resources.counters.handshakeTimeouts += 1
        if case .streaming = state {
            return connection.terminate(reason: "response not read in time", reset: true)
        }
        if parser.isIdle {
            return connection.terminate(
                reason: "handshake timeout", reset: connection.isUnacknowledged)
        }
        refuse(.requestTimeout, isHead: isHead, on: connection)
    }

    override func ended(_ error: TransportError, on connection: ConnectionCore) {}

    override func outlivesEnd(on connection: ConnectionCore) -> Bool {
        clientFinished(on: connection)
    }

    override func terminated() { cancelTasks() }

    override var isArriving: Bool {
        switch state {
        case .head: requestCount == 0 || !parser.isIdle
        case .deciding(let pending): !pending.isPlain
        case .body, .responding, .streaming, .finished: false
        }
    }

    override func logEnd(reason: String, on connection: ConnectionCore) {
        logUnanswered(reason: reason, on: connection)
    }

    override func drain(on connection: ConnectionCore) -> Bool {
        switch state {
        case .responding, .deciding, .streaming: return false
        case .head, .body, .finished: return parser.isIdle
        }
    }
}
