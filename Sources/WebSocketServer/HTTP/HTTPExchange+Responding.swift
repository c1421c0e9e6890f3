import HTTPProtocol
import HTTPTypes
import Synchronization
import UVTransport

/// The responses: of handlers, and the refusals of the server itself.
extension HTTPExchange {
    /// Handles a complete request: asks its handler for the response.
    func receivedAll(on connection: ConnectionCore) {
        guard case .body(let head, let respond, let parameters) = state else { return }
        let request = Request(
            head: head.request, parameters: parameters, query: head.query, body: body,
            remoteAddress: connection.peer.host,
            isDraining: settings.isStopping.load(ordering: .relaxed))
        body = []
        state = .responding(head)
        // Above the limit the request is answered, too, as long as no other needs the place.
        _ = connection.holdPlace()
        connection.setReadingPaused(true, .http)
        connection.loop.cancel(connection)
        let warnings = connection.resources.warnings
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
                (connection.opening as? HTTPExchange)?.answer(response, on: connection)
            }
        }
    }

    func answer(_ response: Response, on connection: ConnectionCore) {
        guard case .responding(let head) = state, connection.stage == .opening else {
            return
        }
        let keepAlive = head.keepAlive && !connection.resources.registry.isDraining
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
    func send(
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
            // The response to a HEAD, or a status without content: the length isn't known.
            ResponseEncoder.encodeHead(
                message, .untilClose, keepAlive: keepAlive, date: service.date,
                into: &output)
        }
        connection.sendRaw(output)
    }

    /// Answers a request whose head is known. If it has content, the connection ends, since the
    /// content isn't read.
    func reply(_ response: Response, to head: RequestHead, on connection: ConnectionCore) {
        let keepAlive =
            head.keepAlive && !head.bodyFraming.hasContent
            && !connection.resources.registry.isDraining
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
        send(Response(problem: fault), isHead: isHead, keepAlive: false, on: connection)
        finish(connection)
    }

    func finish(_ connection: ConnectionCore) {
        state = .finished
        connection.setReadingPaused(false, .http)
        connection.linger(finishing: true)
    }
}
