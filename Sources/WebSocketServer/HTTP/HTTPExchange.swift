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
        /// A handler is at work; reading is paused.
        case responding(RequestHead)
        /// A response is being sent in parts; reading is paused.
        case streaming(ResponseStream)
        /// The last response is sent; what still arrives is dropped.
        case finished
    }

    let settings: HTTPSettings
    /// Unowned, since it owns the exchanges that are not in use.
    unowned let service: HTTPService
    private var parser: RequestParser
    var state = State.head
    private var body: [UInt8] = []
    /// What was read behind a request that is being answered, or waits for a later turn; at most
    /// one read.
    private var behind: [UInt8] = []
    /// The bytes at the front of `behind` that have been looked at.
    private var behindStart = 0
    /// The bytes in `behind` are looked at in a later turn of the loop.
    private var awaitsTurn = false
    /// The trusted proxy that connected, if one did.
    var proxy: SocketAddress?
    /// Which pages may read the responses to the request at hand.
    private(set) var access = CrossOriginAccess.never

    init(service: HTTPService) {
        self.service = service
        settings = service.settings
        parser = RequestParser(limits: service.settings.limits)
    }

    /// Makes the exchange one for a new connection.
    func reset() {
        parser = RequestParser(limits: settings.limits)
        state = .head
        awaitsTurn = false
        proxy = nil
    }

    /// Releases what the exchange holds, and leaves it to a connection to come.
    func retire() {
        state = .finished
        access = .never
        body = []
        (behind, behindStart) = ([], 0)
        service.keep(self)
    }

    /// Starts the clock of the next request. Until it has come, the connection may be evicted.
    func begin(on connection: ConnectionCore) {
        connection.waitInPlace(as: proxy)
        access = settings.origins.access(for: nil)
        connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
    }

    override func received(_ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore) {
        let unread = unsafe receive(bytes, on: connection)
        if unread > 0 { unsafe behind.append(contentsOf: bytes.suffix(unread)) }
    }

    /// Takes one request after the other; the number of bytes at the end that must wait.
    private func receive(
        _ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore
    ) -> Int {
        if awaitsTurn { return bytes.count }
        if bytes.count > TurnQueue.shortSize, connection.context.isTurnOver() {
            awaitTurn(on: connection)
            return bytes.count
        }
        var rest = unsafe bytes
        let began = LoopCodecs.now()
        defer { connection.context.longReadNanoseconds &+= LoopCodecs.now() &- began }
        var isFirst = true
        // An event may need no bytes: the end of a request without content.
        while connection.stage == .opening {
            switch state {
            case .head, .body: break
            case .responding, .streaming: return rest.count
            case .finished: return 0
            }
            // A peer that asks and doesn't read gets no further answers.
            if connection.outboxCount > connection.options.outboxHighWater {
                connection.setReadingPaused(true, .outbox)
                return rest.count
            }
            // One that asks for much at once gets it in several turns.
            if !isFirst, rest.count > 0, LoopCodecs.now() &- began > TurnQueue.shareMax {
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
        connection.context.counters.requests += 1
        let request = head.request
        connection.judgeRequest(for: client(of: request.headerFields))
        access = settings.origins.access(for: request.headerFields[.origin])
        let isHead = request.method == .head
        // A request was made, so there is something to answer 503 to.
        if connection.admission >= .overHeadroom {
            connection.context.counters.refusedByHeadroom += 1
            return refuse(.tooManyConnections, isHead: isHead, on: connection)
        }
        let isUpgrade = !head.isHTTP10 && OpeningHandshake.isUpgradeRequest(request)
        switch settings.router.find(head, isUpgrade: isUpgrade) {
        case .webSocket(let upgrade, let parameters, let route):
            let options = settings.options(of: route)
            unsafe self.upgrade(head, upgrade, parameters, options, &rest, on: connection)
        case .respond(let respond, let parameters):
            if request.method.changesState, let fault = originFault(of: request) {
                return refuse(fault, head, on: connection)
            }
            state = .body(head, respond, parameters)
            connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
            if head.expectsContinue { connection.sendRaw(ResponseEncoder.continue100) }
        case .wrongType(let name, let value):
            let shown = String(value.string.unicodeScalars.prefix(40))
            let detail = "The path parameter \(name) must be an integer, not «\(shown)»."
            refuse(HTTPFault(status: .unprocessableContent, detail: detail), head, on: connection)
        case .methodNotAllowed(let allowed):
            refuse(.methodNotAllowed(allow: allowed), head, on: connection)
        case .options(let allowed): answerOptions(head, allowed, on: connection)
        case .upgradeRequired(let upgrade, let parameters):
            refusePlain(head, upgrade, parameters, on: connection)
        case .notFound: refuse(.notFound, head, on: connection)
        }
    }

    // MARK: - Requests

    private func receivedAll(on connection: ConnectionCore) {
        guard case .body(let head, let respond, let parameters) = state else { return }
        let request = Request(
            head: head.request, parameters: parameters, query: head.query, body: body,
            remoteAddress: connection.peer.host,
            isDraining: settings.isStopping.load(ordering: .relaxed))
        body = []
        state = .responding(head)
        // Above the limit it is answered, too, as long as nobody needs its place.
        _ = connection.holdPlace()
        connection.setReadingPaused(true, .http)
        connection.loop.cancel(connection)
        let warnings = connection.context.warnings
        Task(executorPreference: connection.loop) {
            let response: Response
            do {
                response = try await respond(request)
            } catch let problem as Problem {
                response = problem.response
            } catch {
                warnings.failedRequest.log([
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
        guard case .responding(let head) = state, connection.stage == .opening else {
            return
        }
        let keepAlive = head.keepAlive && !connection.context.registry.isDraining
        let isHead = head.request.method == .head
        if let source = response.stream, !isHead,
            ResponseEncoder.mayHaveContent(response.status)
        {
            return stream(
                response, from: source, keepAlive: keepAlive, isHTTP10: head.isHTTP10,
                on: connection)
        }
        send(response, isHead: isHead, keepAlive: keepAlive, on: connection)
        responded(keepAlive: keepAlive, on: connection)
    }

    /// A response is written, whole: the next request, or the end.
    func responded(keepAlive: Bool, on connection: ConnectionCore) {
        guard keepAlive else { return finish(connection) }
        state = .head
        begin(on: connection)
        connection.setReadingPaused(false, .http)
        receiveBehind(on: connection)
    }

    /// Sends a whole response. All but a 101 pass here, for what they tell browsers.
    private func send(
        _ response: Response, isHead: Bool, keepAlive: Bool, on connection: ConnectionCore
    ) {
        var fields = response.headerFields
        access.add(to: &fields)
        let message = HTTPResponse(status: response.status, headerFields: fields)
        var output: [UInt8] = []
        if response.stream == nil {
            ResponseEncoder.encode(
                message, body: response.body, isHead: isHead, keepAlive: keepAlive,
                date: service.date, into: &output)
        } else {
            // To a HEAD, or with a status without content: the length isn't known.
            ResponseEncoder.encodeHead(
                message, .untilClose, keepAlive: keepAlive, date: service.date,
                into: &output)
        }
        connection.sendRaw(output)
    }

    private func receiveBehind(on connection: ConnectionCore) {
        if !behind.isEmpty, connection.context.isTurnOver() {
            return awaitTurn(on: connection)
        }
        // There may be no bytes and an event all the same: a request's end.
        var next = behind
        let start = behindStart
        (behind, behindStart) = ([], 0)
        let unread = unsafe next.withUnsafeMutableBytes {
            unsafe receive(UnsafeMutableRawBufferPointer(rebasing: $0[start...]), on: connection)
        }
        // They stay where they are: with many requests in one read, each would copy the rest.
        if unread > 0 { (behind, behindStart) = (next, next.count - unread) }
    }

    private func awaitTurn(on connection: ConnectionCore) {
        guard !awaitsTurn else { return }
        awaitsTurn = true
        connection.setReadingPaused(true, .held)
        connection.context.awaitTurn(connection)
    }

    override func takeTurn(on connection: ConnectionCore) {
        guard awaitsTurn else { return }
        awaitsTurn = false
        connection.setReadingPaused(false, .held)
        switch state {
        case .head, .body: receiveBehind(on: connection)
        case .responding, .streaming, .finished: return
        }
    }

    override func shed(on connection: ConnectionCore) -> Bool {
        guard case .body(let head, _, _) = state else { return false }
        body = []
        (behind, behindStart) = ([], 0)
        refuse(.outOfMemory, isHead: head.request.method == .head, on: connection)
        connection.countMemory()
        return true
    }

    override var heldSize: Int { body.capacity + behind.capacity + parser.heldSize }

    override func outboxShrank(isLow: Bool, on connection: ConnectionCore) {
        switch state {
        case .head, .body: break
        case .streaming(let stream): return stream.outboxShrank(isLow: isLow, on: connection)
        case .responding, .finished: return
        }
        // While it takes what it asked for, it is not late with its next request.
        connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
        if isLow, !awaitsTurn { receiveBehind(on: connection) }
    }

    /// Answers a request whose head is known; its content, if any, makes the connection useless.
    func reply(_ response: Response, to head: RequestHead, on connection: ConnectionCore) {
        let keepAlive =
            head.keepAlive && !head.bodyFraming.hasContent
            && !connection.context.registry.isDraining
        let isHead = head.request.method == .head
        send(response, isHead: isHead, keepAlive: keepAlive, on: connection)
        guard keepAlive else { return finish(connection) }
        // The parser's `.end` of this request follows and finds nothing to answer.
        begin(on: connection)
    }

    // MARK: - Refusals

    func refuse(_ fault: HTTPFault, _ head: RequestHead, on connection: ConnectionCore) {
        reply(Response(problem: fault), to: head, on: connection)
    }

    /// Whether the request at hand is a HEAD, as far as that is known.
    private var isHead: Bool {
        if case .body(let head, _, _) = state { return head.request.method == .head }
        return parser.isHead
    }

    private func refuse(_ fault: HTTPFault, isHead: Bool, on connection: ConnectionCore) {
        // The head may have got as far as saying whose page it is.
        if let origin = parser.origin {
            access = settings.origins.access(for: origin)
        }
        send(Response(problem: fault), isHead: isHead, keepAlive: false, on: connection)
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
            return connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
        }
        connection.context.counters.handshakeTimeouts += 1
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

    override func drain(on connection: ConnectionCore) -> Bool {
        switch state {
        case .responding, .streaming: return false
        case .head, .body, .finished: return parser.isIdle
        }
    }
}
