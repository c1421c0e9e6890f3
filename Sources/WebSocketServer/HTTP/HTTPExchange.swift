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
        /// The last response is sent; later bytes are dropped.
        case finished
    }

    let settings: HTTPSettings
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
    /// The pages that may read the response to the current request.
    var access = CrossOriginAccess.never

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

    /// Releases everything that the exchange holds. The exchange itself stays for a later
    /// connection.
    func retire() {
        state = .finished
        access = .never
        body = []
        pipelined.removeAll()
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
        if unread > 0 { unsafe pipelined.append(bytes.suffix(unread)) }
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
        defer {
            connection.resources.longReadNanoseconds &+= connection.resources.codecs.now() &- began
        }
        var isFirst = true
        // An event may need no bytes: the end of a request without content.
        while connection.stage == .opening {
            switch state {
            case .head, .body: break
            case .responding, .streaming: return rest.count
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
        let request = head.request
        connection.judgeRequest(for: client(of: request.headerFields))
        access = settings.origins.access(for: request.headerFields[.origin])
        let isHead = request.method == .head
        // There is a request now that can be answered with 503.
        if connection.admission >= .overHeadroom {
            connection.resources.counters.refusedByHeadroom += 1
            return refuse(.tooManyConnections, isHead: isHead, on: connection)
        }
        let isUpgrade = !head.isHTTP10 && OpeningHandshake.isUpgradeRequest(request)
        switch settings.router.find(head, isUpgrade: isUpgrade) {
        case .webSocket(let upgrade, let parameters, let route):
            let options = settings.options(of: route)
            unsafe self.upgrade(head, upgrade, parameters, options, &rest, on: connection)
        case .respond(let respond, let parameters):
            if request.method.changesState, let fault = originFault(of: request, on: connection) {
                return refuse(fault, head, on: connection)
            }
            state = .body(head, respond, parameters)
            connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
            if head.expectsContinue { connection.sendRaw(ResponseEncoder.continue100) }
        case .wrongType(let name, let value):
            let shown = String(value.string.unicodeScalars.prefix(40))
            let detail = "The path parameter \(name) must be an integer, not '\(shown)'."
            refuse(HTTPFault(status: .unprocessableContent, detail: detail), head, on: connection)
        case .methodNotAllowed(let allowed):
            refuse(.methodNotAllowed(allow: allowed), head, on: connection)
        case .options(let allowed): answerOptions(head, allowed, on: connection)
        case .upgradeRequired(let upgrade, let parameters):
            refusePlain(head, upgrade, parameters, on: connection)
        case .notFound: refuse(.notFound, head, on: connection)
        }
    }

    override func takeTurn(on connection: ConnectionCore) {
        guard awaitsTurn else { return }
        awaitsTurn = false
        connection.setReadingPaused(false, .held)
        switch state {
        case .head, .body: receivePipelined(on: connection)
        case .responding, .streaming, .finished: return
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
        switch state {
        case .head, .body: break
        case .streaming(let stream): return stream.outboxShrank(isLow: isLow, on: connection)
        case .responding, .finished: return
        }
        // A client that takes its response is not late with its next request.
        connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
        if isLow, !awaitsTurn { receivePipelined(on: connection) }
    }

    // MARK: - Ends

    override func deadlinePassed(on connection: ConnectionCore) {
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

    override func drain(on connection: ConnectionCore) -> Bool {
        switch state {
        case .responding, .streaming: return false
        case .head, .body, .finished: return parser.isIdle
        }
    }
}
