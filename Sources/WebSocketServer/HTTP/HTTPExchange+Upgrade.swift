import HTTPProtocol
import HTTPTypes
import UVTransport
import WebSocketProtocol

/// The upgrade of a request to a WebSocket: the opening handshake (RFC 6455 §4.2), and the route's
/// decision.
extension HTTPExchange {
    func upgrade(
        _ head: RequestHead, _ upgrade: Router.Upgrade, _ parameters: PathParameters,
        _ options: SessionOptions, _ rest: inout UnsafeMutableRawBufferPointer,
        on connection: ConnectionCore
    ) {
        do {
            if let fault = originFault(of: head.request, on: connection) { throw fault }
            let handshake = try OpeningHandshake.check(head.request)
            // RFC 9110 §7.8: the protocol changes after a request's content, which isn't frames.
            if head.bodyFraming.hasContent {
                throw Problem(.badRequest, "An opening handshake has no content.")
            }
            let request = UpgradeRequest(
                head: head.request, parameters: parameters, query: head.query,
                subprotocols: handshake.subprotocols, remoteAddress: connection.peer.host,
                isPlain: false)
            let accepted = try decide(upgrade, on: request, on: connection)
            let upgraded = Upgraded(
                handler: accepted.handler, options: options,
                subprotocol: accepted.subprotocol.flatMap { request.subprotocol(among: [$0]) },
                awaitsAuthentication: accepted.awaitsAuthentication)
            unsafe accept(upgraded, handshake, &rest, on: connection)
        } catch {
            refuse(error, head, on: connection)
        }
    }

    /// Answers a plain GET or HEAD of a WebSocket's path with the refusal that an opening handshake
    /// of the same client would get, or with 426 (RFC 6455 §4.4). Nothing is opened.
    func refusePlain(
        _ head: RequestHead, _ upgrade: Router.Upgrade, _ parameters: PathParameters,
        on connection: ConnectionCore
    ) {
        do {
            if let fault = pageFault(of: head.request, on: connection) { throw fault }
            let subprotocols = try OpeningHandshake.subprotocols(in: head.request.headerFields)
            let request = UpgradeRequest(
                head: head.request, parameters: parameters, query: head.query,
                subprotocols: subprotocols, remoteAddress: connection.peer.host, isPlain: true)
            _ = try decide(upgrade, on: request, on: connection)
            // The WebSocket would be opened only to be closed with 1008.
            if connection.admission > .admitted { throw HTTPFault.tooManyConnections }
            throw HTTPFault.upgradeRequired(isHTTP10: head.isHTTP10)
        } catch {
            refuse(error, head, on: connection)
        }
    }

    /// Asks a route for its decision; throws its refusal.
    private func decide(
        _ upgrade: Router.Upgrade, on request: UpgradeRequest, on connection: ConnectionCore
    ) throws -> UpgradeDecision.Acceptance {
        if connection.resources.registry.isDraining {
            throw Problem(
                .serviceUnavailable, "The server is going away.", headerFields: [.retryAfter: "5"])
        }
        switch try upgrade(request).kind {
        case .refuse(let status, let detail): throw Problem(status, detail)
        case .accept(let acceptance): return acceptance
        }
    }

    /// Answers with the response that an error stands for.
    private func refuse(
        _ error: any Error, _ head: RequestHead, on connection: ConnectionCore
    ) {
        switch error {
        case let fault as HTTPFault: refuse(fault, head, on: connection)
        case let problem as Problem: refuse(problem.fault, head, on: connection)
        case let fault as HandshakeFault:
            refuse(
                HTTPFault(
                    status: fault.status, detail: fault.detail, headerFields: fault.headerFields),
                head, on: connection)
        default:
            connection.resources.warnings.failedUpgrade.log(["error": "\(error)"])
            refuse(.internalServerError, head, on: connection)
        }
    }

    private func accept(
        _ upgraded: consuming Upgraded, _ handshake: HandshakeRequest,
        _ rest: inout UnsafeMutableRawBufferPointer, on connection: ConnectionCore
    ) {
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
            to: handshake, subprotocol: upgraded.subprotocol, extensions: extensions)
        var output: [UInt8] = []
        ResponseEncoder.encodeUpgrade(response, into: &output)
        connection.sendRaw(output)
        // The bytes after the handshake are frames already.
        let frames = unsafe rest
        unsafe rest = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
        if isRefused {
            connection.resources.counters.refusedByLimit += 1
            connection.becomeWebSocket(
                Upgraded(handler: NoHandler.refused, options: settings.sessionOptions))
            return connection.beginClosing(.policyViolation, ConnectionCore.tooManyConnections)
        }
        retire()
        connection.becomeWebSocket(upgraded)
        if connection.stage != .over { unsafe connection.receive(frames) }
    }
}
