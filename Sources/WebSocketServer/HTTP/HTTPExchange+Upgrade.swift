import HTTPProtocol
import HTTPTypes
import UVTransport
import WebSocketProtocol

/// The upgrade of a request to a WebSocket, once its route has decided.
extension HTTPExchange {
    /// Has a route decide on an upgrade, or on a plain request of its path, which opens nothing.
    ///
    /// - Parameter rest: The bytes after the request. Those of an accepted upgrade are frames.
    func decide(
        _ pending: PendingUpgrade, _ rest: inout UnsafeMutableRawBufferPointer,
        on connection: ConnectionCore
    ) {
        pending.start(on: connection)
        guard connection.stage == .opening else { return pending.cancel() }
        if pending.isWaiting {
            state = .deciding(pending)
            return connection.setStageDeadline(connection.loop.now + settings.handshakeTimeout)
        }
        switch pending.outcome(on: connection) {
        case .accepted(let accepted):
            let frames = unsafe rest
            unsafe rest = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
            if accept(accepted, on: connection), connection.stage != .over {
                unsafe connection.receive(frames)
            }
        case .refused(let response):
            if response.stream == nil { return reply(response, to: pending.head, on: connection) }
            refuse(response, pending, on: connection)
        }
    }

    /// Continues when a route has decided that had to wait.
    func decided(_ pending: PendingUpgrade, on connection: ConnectionCore) {
        guard case .deciding(let current) = state, current === pending,
            connection.stage == .opening
        else { return }
        switch pending.outcome(on: connection) {
        case .accepted(let accepted):
            var early = pipelined
            pipelined.removeAll()
            guard accept(accepted, on: connection) else { return }
            unsafe early.parse {
                unsafe connection.receiveEarly($0)
                return 0
            }
        case .refused(let response): refuse(response, pending, on: connection)
        }
    }

    /// Gives up a decision that takes too long. This isn't the client's fault, so it isn't a 408.
    func abandon(_ pending: PendingUpgrade, on connection: ConnectionCore) {
        pending.cancel()
        connection.resources.warnings.failedUpgrade.log([
            "path": "\(pending.head.request.loggedPath)",
            "error": "no decision within \(settings.handshakeTimeout) ms",
        ])
        let problem = Problem(
            .serviceUnavailable, "The server took too long to decide.",
            headerFields: [.retryAfter: "5"])
        refuse(problem.response, pending, on: connection)
    }

    private func refuse(
        _ response: Response, _ pending: PendingUpgrade, on connection: ConnectionCore
    ) {
        state = .responding(
            pending.head, isContentUnread: pending.head.bodyFraming.hasContent)
        answer(response, on: connection)
    }

    /// Sends the 101, and turns the connection into a WebSocket. Returns false if a limit of
    /// connections closes it at once.
    private func accept(
        _ accepted: PendingUpgrade.Accepted, on connection: ConnectionCore
    ) -> Bool {
        let (acceptance, handshake) = (accepted.acceptance, accepted.handshake)
        let handler: any ConnectionHandler =
            switch acceptance.receiver {
            case .handler(let handler): handler
            case .talk(let talk): TalkBridge(request: accepted.request, talk: talk)
            }
        var upgraded = Upgraded(
            route: route, handler: handler,
            // A reload may have happened since the route decided.
            options: settings.options(replacing: accepted.options),
            subprotocol: acceptance.subprotocol.flatMap {
                accepted.request.subprotocol(among: [$0])
            },
            awaitsAuthentication: acceptance.awaitsAuthentication)
        // A peer holds no place until it has authenticated.
        let isRefused =
            upgraded.awaitsAuthentication
            ? connection.admission > .admitted : !connection.holdPlace()
        var extensions: [ExtensionOffer] = []
        // Nothing is inflated for a peer that has not authenticated, so no compression is
        // negotiated.
        if !isRefused, !upgraded.awaitsAuthentication,
            let agreed = connection.resources.codecs.accept(
                handshake.extensions, options: upgraded.options)
        {
            upgraded.compression = agreed.compression
            extensions = [agreed.response]
        }
        let response = OpeningHandshake.response(
            to: handshake, subprotocol: upgraded.subprotocol, extensions: extensions,
            additional: accepted.headerFields)
        var output: [UInt8] = []
        ResponseEncoder.encodeUpgrade(response, into: &output)
        connection.sendRaw(output)
        noteRequestID(in: accepted.headerFields)
        if let accessEntry {
            connection.resources.registry.accessEntries[connection.id] = accessEntry
        }
        count(response.status, on: connection)
        connection.resources.openingHandshakes.record(
            nanoseconds: connection.resources.codecs.now() &- requestBegan)
        if isRefused {
            connection.resources.counters.refusedByLimit += 1
            connection.resources.warnings.crowded.log(["peer": "\(connection.peer)"], kind: 1_008)
            connection.becomeWebSocket(
                Upgraded(
                    route: route, handler: NoHandler.refused, options: settings.sessionOptions))
            connection.beginClosing(.policyViolation, ConnectionCore.tooManyConnections)
            return false
        }
        retire()
        connection.becomeWebSocket(upgraded)
        return true
    }
}
