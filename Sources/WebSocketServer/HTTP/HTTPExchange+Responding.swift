import HTTPProtocol
import HTTPTypes
import Synchronization
import UVTransport

/// The responses: of handlers, and the refusals of the server itself.
extension HTTPExchange {
    /// Handles a complete request: asks its handler for the response.
    func receivedAll(on connection: ConnectionCore) {
        guard case .body(let head, let respond, let parameters) = state else { return }
        var request = Request(
            head: head.request, parameters: parameters, query: head.query, body: body,
            remoteAddress: connection.peer.host,
            isDraining: settings.isDraining,
            publisher: settings.publisher)
        request.isOverloaded = settings.overload.isOverloaded
        body = []
        beginResponding(to: head, isContentUnread: false, on: connection)
        let warnings = connection.resources.warnings
        task = connection.startTask { [request] in
            let response: Response
            do {
                response = try await respond(request)
            } catch {
                response = warnings.response(to: error, of: request.head)
            }
            connection.onLoop { connection in
                (connection.opening as? HTTPExchange)?.answer(response, on: connection)
            }
        }
    }

    /// Answers a request that no route answers, through the middleware of the router if there is
    /// any.
    func answerUnmatched(
        _ reason: RouteTable.Unmatched, _ head: RequestHead, on connection: ConnectionCore
    ) {
        let (settings, access) = (settings, access)
        guard let middleware = settings.routes.unmatched else {
            let response = settings.response(to: head.request, reason, access, isGranted: false)
            return reply(response, to: head, on: connection)
        }
        var request = Request(
            head: head.request, parameters: PathParameters(), query: head.query, body: [],
            remoteAddress: connection.peer.host,
            isDraining: settings.isDraining,
            publisher: settings.publisher)
        if case .options = reason { request.isUnroutedOptions = true }
        beginResponding(
            to: head, isContentUnread: head.bodyFraming.hasContent, on: connection)
        task = connection.startTask { [request] in
            let response = await middleware.respond(to: request) { request in
                settings.response(
                    to: request.head, reason, access,
                    isGranted: request.values[GrantedOrigin.self] == true)
            }
            connection.onLoop { connection in
                (connection.opening as? HTTPExchange)?.answer(response, on: connection)
            }
        }
    }

    private func beginResponding(
        to head: RequestHead, isContentUnread: Bool, on connection: ConnectionCore
    ) {
        state = .responding(head, isContentUnread: isContentUnread)
        // Above the limit the request is answered, too, as long as no other needs the place.
        _ = connection.holdPlace()
        connection.loop.cancel(connection)
    }

    func answer(_ response: Response, on connection: ConnectionCore) {
        guard case .responding(let head, let isContentUnread) = state,
            connection.stage == .opening
        else { return }
        task = nil
        let response = response.checked(connection.resources.warnings, of: head.request)
        // A client that has closed its sending side sends no further requests.
        let isLast = isContentUnread || connection.hasEnded && pipelined.isEmpty
        let keepAlive =
            head.keepAlive && !isLast && !connection.resources.registry.isDraining
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

    /// Continues after a complete response: with the next request, or with the end.
    func responded(keepAlive: Bool, on connection: ConnectionCore) {
        guard keepAlive else { return finish(connection) }
        state = .head
        begin(on: connection)
        connection.setReadingPaused(false, .http)
        receivePipelined(on: connection)
    }

    /// Sends a whole response. All responses but a 101 are sent here, with the header fields that
    /// browsers need.
    ///
    /// - Parameter reason: The reason of a refusal, for the access log.
    func send(
        _ response: Response, isHead: Bool, keepAlive: Bool, reason: String? = nil,
        on connection: ConnectionCore
    ) {
        count(response.status, on: connection)
        var fields = response.headerFields
        access.add(to: &fields)
        let message = HTTPResponse(status: response.status, headerFields: fields)
        var output: [UInt8] = []
        if response.stream == nil {
            ResponseEncoder.encode(
                message, body: response.body, isHead: isHead, keepAlive: keepAlive,
                date: service.date, into: &output)
        } else {
            // The response to a HEAD, or a status without content. Its length may not be known.
            let framing = response.contentLength.map(ResponseEncoder.Framing.length)
            ResponseEncoder.encodeHead(
                message, framing ?? .untilClose, keepAlive: keepAlive, date: service.date,
                into: &output)
        }
        connection.sendRaw(output)
        if connection.resources.access != nil {
            noteRequestID(in: response.headerFields)
            logAccess(
                response.status, bytes: isHead ? 0 : response.body.count, reason: reason,
                on: connection)
        }
    }

    /// Counts a response for the route of the request.
    func count(_ status: HTTPResponse.Status, on connection: ConnectionCore) {
        connection.resources.routes[route].responses.add(status.code)
    }

    /// Answers a request whose head is known. If it has content, the connection ends, since the
    /// content isn't read.
    func reply(
        _ response: Response, to head: RequestHead, reason: String? = nil,
        on connection: ConnectionCore
    ) {
        let keepAlive =
            head.keepAlive && !head.bodyFraming.hasContent
            && !connection.resources.registry.isDraining
        let isHead = head.request.method == .head
        send(response, isHead: isHead, keepAlive: keepAlive, reason: reason, on: connection)
        guard keepAlive else { return finish(connection) }
        // The parser's `.end` of this request follows and finds nothing to answer.
        begin(on: connection)
    }

    // MARK: - Refusals

    func refuse(_ fault: HTTPFault, _ head: RequestHead, on connection: ConnectionCore) {
        logRefusal(fault, on: connection)
        reply(Response(problem: fault), to: head, reason: fault.detail, on: connection)
    }

    /// Whether the current request is a HEAD, as far as that is known.
    var isHead: Bool {
        if case .body(let head, _, _) = state { return head.request.method == .head }
        return parser.isHead
    }

    func refuse(_ fault: HTTPFault, isHead: Bool, on connection: ConnectionCore) {
        // The invalid head may have named the page's origin.
        if let origin = parser.origin {
            access = settings.origins.access(for: origin)
        }
        requestCount &+= 1
        logRefusal(fault, on: connection)
        send(
            Response(problem: fault), isHead: isHead, keepAlive: false, reason: fault.detail,
            on: connection)
        finish(connection)
    }

    func finish(_ connection: ConnectionCore) {
        state = .finished
        connection.setReadingPaused(false, .http)
        endConnection(connection)
    }
}

extension Response {
    /// Returns the response, or a 500 if its status is interim: such a response would leave the
    /// client waiting for another (RFC 9110 §15.2).
    fileprivate func checked(_ warnings: ServerWarnings, of request: HTTPRequest) -> Response {
        if status.code >= 200 { return self }
        let error = "the response has the interim status \(status.code)"
        warnings.failedRequest.log(["path": "\(request.loggedPath)", "error": "\(error)"])
        return Response(problem: .internalServerError)
    }
}

extension HTTPSettings {
    /// Returns the response to a request that no route answers.
    ///
    /// - Parameter isGranted: Whether a middleware allows the page that sends it.
    fileprivate func response(
        to request: HTTPRequest, _ reason: RouteTable.Unmatched, _ access: CrossOriginAccess,
        isGranted: Bool
    ) -> Response {
        switch reason {
        case .notFound: return Response(problem: .notFound)
        case .wrongType(let name, let value):
            let shown = String(value.string.unicodeScalars.prefix(40))
            let detail = "The path parameter \(name) must be an integer, not '\(shown)'."
            return Response(problem: HTTPFault(status: .unprocessableContent, detail: detail))
        case .methodNotAllowed(let allowed):
            return Response(problem: .methodNotAllowed(allow: allowed))
        case .options(let methods):
            return originCheck.answerOptions(
                request, methods, access: access, isGranted: isGranted)
        }
    }
}
