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
        /// A handler is at work; reading rests.
        case responding(RequestHead)
        /// The last response is sent; what still arrives is dropped.
        case finished
    }

    let server: ServerShared
    private var parser: RequestParser
    private var state = State.head
    private var body: [UInt8] = []
    /// What was read behind a request that is being answered; at most one read.
    private var behind: [UInt8] = []
    /// The trusted proxy that connected, if one did.
    var proxy: Proxy?

    init(server: ServerShared) {
        self.server = server
        parser = RequestParser(limits: server.httpLimits)
    }

    /// An exchange for a new connection: one that an upgraded connection has left, or a new one.
    static func take(for context: LoopContext, of server: ServerShared) -> HTTPExchange {
        guard let exchange = context.spareExchanges.popLast() else {
            return HTTPExchange(server: server)
        }
        exchange.parser = RequestParser(limits: server.httpLimits)
        exchange.state = .head
        exchange.proxy = nil
        return exchange
    }

    /// Keeps the exchange for the next connection. Freed, its memory would be carved up by what
    /// stays: a third of a kilobyte for each idle connection.
    func retire(to context: LoopContext) {
        state = .finished
        body = []
        behind = []
        if context.spareExchanges.count < Self.sparesMax { context.spareExchanges.append(self) }
    }

    private static let sparesMax = 256

    /// Starts the clock of the next request.
    func begin(on connection: ConnectionCore) {
        returnToProxy(connection)
        connection.setStageDeadline(connection.loop.now + server.handshakeTimeout)
    }

    override func received(_ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore) {
        var rest = unsafe bytes
        // An event may need no bytes: the end of a request without content.
        while unsafe connection.stage == .opening {
            if case .responding = state {
                unsafe behind.append(contentsOf: rest)
                return
            }
            if case .finished = state { return }
            // A peer that asks and doesn't read gets no further answers.
            if unsafe connection.outboxCount > connection.options.outboxHighWater {
                unsafe behind.append(contentsOf: rest)
                return connection.setReadingPaused(true, .outbox)
            }
            let (event, consumed) = unsafe parser.parse(UnsafeRawBufferPointer(rest))
            let piece = UnsafeRawBufferPointer(rest)
            unsafe rest = unsafe UnsafeMutableRawBufferPointer(rebasing: rest[consumed...])
            switch event {
            case .needMore: return
            case .head(let head): unsafe receivedHead(head, &rest, on: connection)
            case .body(let range):
                if case .body = state { unsafe body.append(contentsOf: piece[range]) }
            case .end: receivedAll(on: connection)
            case .failed(let fault): refuse(fault, isHead: isHead, on: connection)
            }
        }
    }

    private func receivedHead(
        _ head: RequestHead, _ rest: inout UnsafeMutableRawBufferPointer,
        on connection: ConnectionCore
    ) {
        connection.context.counters.requests += 1
        let request = head.request
        attributeToClient(request.headerFields, connection)
        let isHead = request.method == .head
        // A request was made, so there is something to answer 503 to.
        if connection.admission == .overHeadroom {
            connection.context.counters.refusedByHeadroom += 1
            return refuse(.tooManyConnections, isHead: isHead, on: connection)
        }
        let isUpgrade = !head.isHTTP10 && OpeningHandshake.isUpgradeRequest(request)
        switch server.router.find(request.method, head.pathSegments, isUpgrade: isUpgrade) {
        case .webSocket(let upgrade, let parameters, let route):
            if let fault = originFault(of: request) { return refuse(fault, head, on: connection) }
            let options = server.options(of: route)
            unsafe self.upgrade(head, upgrade, parameters, options, &rest, on: connection)
        case .respond(let respond, let parameters):
            if request.method.changesState, let fault = originFault(of: request) {
                return refuse(fault, head, on: connection)
            }
            state = .body(head, respond, parameters)
            connection.setStageDeadline(connection.loop.now + server.handshakeTimeout)
            if head.expectsContinue { connection.sendRaw(ResponseEncoder.continue100) }
        case .wrongType(let name, let value):
            let detail = "The path parameter \(name) must be an integer, not «\(value.prefix(40))»."
            refuse(HTTPFault(status: .unprocessableContent, detail: detail), head, on: connection)
        case .methodNotAllowed(let allowed):
            refuse(.methodNotAllowed(allow: allowed), head, on: connection)
        case .upgradeRequired:
            refuse(.upgradeRequired(isHTTP10: head.isHTTP10), head, on: connection)
        case .notFound: refuse(.notFound, head, on: connection)
        }
    }

    // MARK: - Requests

    private func receivedAll(on connection: ConnectionCore) {
        guard case .body(let head, let respond, let parameters) = state else { return }
        let request = Request(
            head: head.request, parameters: parameters, query: head.query, body: body,
            remoteAddress: connection.peer.host,
            isDraining: server.isDraining.load(ordering: .relaxed))
        body = []
        state = .responding(head)
        connection.setReadingPaused(true, .http)
        connection.loop.cancel(connection)
        let logger = connection.context.logger
        Task(executorPreference: connection.loop) {
            let response: Response
            do {
                response = try await respond(request)
            } catch let problem as Problem {
                response = problem.response
            } catch {
                logger.error(
                    "request handler failed",
                    metadata: [
                        // Without the query, in which secrets may stand.
                        "path": "/\(head.pathSegments.joined(separator: "/"))",
                        "error": "\(error)",
                    ])
                response = Problem(.internalServerError, "The server failed to answer.").response
            }
            connection.onLoop { connection in
                unsafe (connection.opening as? HTTPExchange)?.answer(response, on: connection)
            }
        }
    }

    private func answer(_ response: Response, on connection: ConnectionCore) {
        guard case .responding(let head) = state, unsafe connection.stage == .opening else {
            return
        }
        let keepAlive = head.keepAlive && !connection.context.isDraining
        var output: [UInt8] = []
        ResponseEncoder.encode(
            HTTPResponse(status: response.status, headerFields: response.headerFields),
            body: response.body, isHead: head.request.method == .head, keepAlive: keepAlive,
            date: connection.context.date, into: &output)
        connection.sendRaw(output)
        guard keepAlive else { return finish(connection) }
        state = .head
        begin(on: connection)
        connection.setReadingPaused(false, .http)
        receiveBehind(on: connection)
    }

    private func receiveBehind(on connection: ConnectionCore) {
        var next = behind
        behind = []
        unsafe next.withUnsafeMutableBytes { unsafe received($0, on: connection) }
    }

    override func outboxShrank(isLow: Bool, on connection: ConnectionCore) {
        switch state {
        case .head, .body: break
        case .responding, .finished: return
        }
        // While it takes what it asked for, it is not late with its next request.
        connection.setStageDeadline(connection.loop.now + server.handshakeTimeout)
        if isLow { receiveBehind(on: connection) }
    }

    // MARK: - Refusals

    /// Refuses a request whose head is known; its content, if any, makes the connection useless.
    func refuse(_ fault: HTTPFault, _ head: RequestHead, on connection: ConnectionCore) {
        let isHead = head.request.method == .head
        guard head.keepAlive, !head.bodyFraming.hasContent, !connection.context.isDraining else {
            return refuse(fault, isHead: isHead, on: connection)
        }
        var output: [UInt8] = []
        ResponseEncoder.encode(
            problem: fault, isHead: isHead, keepAlive: true, date: connection.context.date,
            into: &output)
        connection.sendRaw(output)
        // The parser's `.end` of this request follows and finds nothing to answer.
        begin(on: connection)
    }

    /// Whether the request at hand is a HEAD, as far as that is known.
    private var isHead: Bool {
        if case .body(let head, _, _) = state { return head.request.method == .head }
        return parser.isHead
    }

    private func refuse(_ fault: HTTPFault, isHead: Bool, on connection: ConnectionCore) {
        var output: [UInt8] = []
        ResponseEncoder.encode(
            problem: fault, isHead: isHead, keepAlive: false, date: connection.context.date,
            into: &output)
        connection.sendRaw(output)
        finish(connection)
    }

    private func finish(_ connection: ConnectionCore) {
        state = .finished
        connection.setReadingPaused(false, .http)
        connection.linger(finishing: true)
    }

    // MARK: - Ends

    override func deadlinePassed(on connection: ConnectionCore) {
        // As in `outboxShrank`, for what the kernel has taken and the peer has not.
        if connection.mayBeTaking() {
            return connection.setStageDeadline(connection.loop.now + server.handshakeTimeout)
        }
        connection.context.counters.handshakeTimeouts += 1
        if parser.isIdle {
            return connection.terminate(
                reason: "handshake timeout", reset: connection.isUnacknowledged)
        }
        refuse(.requestTimeout, isHead: isHead, on: connection)
    }

    override func ended(_ error: TransportError, on connection: ConnectionCore) {}

    override func drain(on connection: ConnectionCore) -> Bool {
        if case .responding = state { return false }
        return parser.isIdle
    }
}
