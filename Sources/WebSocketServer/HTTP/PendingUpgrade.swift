import HTTPProtocol
import HTTPTypes
import Synchronization
import UVTransport
import WebSocketProtocol

/// A request for an upgrade that its route decides on, or a plain request of the route's path.
///
/// The decision may await. A task makes it, which runs at once on the connection's loop: a decision
/// that doesn't suspend is known when ``start(on:)`` returns.
final class PendingUpgrade: @unchecked Sendable {
    // Safety: confined to the connection's loop, on which its task runs, too.

    /// An accepted upgrade.
    struct Accepted {
        let acceptance: UpgradeDecision.Acceptance
        let request: UpgradeRequest
        let handshake: HandshakeRequest
        let options: SessionOptions
        /// The header fields that the 101 has besides those of the handshake.
        var headerFields: HTTPFields = [:]
    }

    enum Outcome {
        case accepted(Accepted)
        case refused(Response)
    }

    let head: RequestHead
    let isPlain: Bool
    private let route: RouteTable.Upgrade
    private let parameters: PathParameters
    private let settings: HTTPSettings
    private var accepted: Accepted?
    private var response: Response?
    private var task: Task<Void, Never>?
    /// Whether the task has suspended before it made its decision.
    private(set) var isWaiting = false

    init(
        _ head: RequestHead, _ route: RouteTable.Upgrade, _ parameters: PathParameters,
        _ settings: HTTPSettings, isPlain: Bool = false
    ) {
        self.head = head
        self.isPlain = isPlain
        self.route = route
        self.parameters = parameters
        self.settings = settings
    }

    /// Starts the decision. If it isn't known when this returns (``isWaiting``), the connection's
    /// exchange is called once it is: ``HTTPExchange/decided(_:on:)``.
    func start(on connection: ConnectionCore) {
        connection.resources.tasks.began()
        task = Task.immediate(executorPreference: connection.loop) { [self] in
            let response = await respond(on: connection)
            connection.onLoop { $0.resources.tasks.ended() }
            // A task may outlive its loop, and then there is nobody left to answer.
            guard connection.loop.isCurrent else { return }
            self.response = response
            // Not within the task, of which the connection would inherit what is local to it.
            guard isWaiting else { return }
            connection.loop.execute { [self] in
                (connection.opening as? HTTPExchange)?.decided(self, on: connection)
            }
        }
        isWaiting = response == nil
    }

    func cancel() { task?.cancel() }

    /// Returns the outcome of a decision that is known.
    func outcome(on connection: ConnectionCore) -> Outcome {
        task = nil
        let response = self.response ?? Problem(.internalServerError, "No decision.").response
        guard response.status.code < 200 else { return .refused(response) }
        guard response.status == .switchingProtocols, var accepted else {
            let error = "a refusal has the status \(response.status.code)"
            return .refused(failure(error, on: connection))
        }
        // A stop may have begun meanwhile.
        if refusesUpgrades(on: connection) { return .refused(Self.goingAway.response) }
        accepted.headerFields = response.headerFields
        return .accepted(accepted)
    }

    /// Returns the response of the middleware, or else of the route: a 101 if it accepts.
    private func respond(on connection: ConnectionCore) async -> Response {
        guard let middleware = route.middleware else {
            return await decide(head.request, RequestValues(), on: connection)
        }
        let request = Request(
            head: head.request, parameters: parameters, query: head.query, body: [],
            remoteAddress: connection.peer.host,
            isDraining: settings.isDraining,
            publisher: settings.publisher)
        return await middleware.respond(to: request) { request in
            await decide(request.head, request.values, on: connection)
        }
    }

    private func decide(
        _ request: HTTPRequest, _ values: RequestValues, on connection: ConnectionCore
    ) async -> Response {
        accepted = nil
        do {
            let handshake = try check(isGranted: values[GrantedOrigin.self] == true)
            if refusesUpgrades(on: connection) { throw Self.goingAway }
            let upgrade = UpgradeRequest(
                head: request, parameters: parameters, query: head.query, values: values,
                subprotocols: handshake.subprotocols, remoteAddress: connection.peer.host,
                isPlain: isPlain)
            switch try await route.decide(upgrade).kind {
            case .refuse(let response): return response
            case .accept(let acceptance):
                if isPlain { throw refusalOfPlain(on: connection) }
                accepted = Accepted(
                    acceptance: acceptance, request: upgrade, handshake: handshake,
                    options: settings.options(of: route.options))
                return Response(
                    status: .switchingProtocols, headerFields: acceptance.headerFields)
            }
        } catch let problem as Problem {
            return problem.response
        } catch let fault as HTTPFault {
            return Response(problem: fault)
        } catch let fault as HandshakeFault {
            return Response(
                problem: HTTPFault(
                    status: fault.status, detail: fault.detail, headerFields: fault.headerFields))
        } catch {
            return failure(error, on: connection)
        }
    }

    /// Checks the page that sends the request, and the opening handshake (RFC 6455 §4.2.1). Of a
    /// plain request, only the subprotocols.
    private func check(isGranted: Bool) throws -> HandshakeRequest {
        let origins = settings.originCheck
        if isPlain {
            if !isGranted, let fault = origins.pageFault(of: head.request) { throw fault }
            let subprotocols = try OpeningHandshake.subprotocols(in: head.request.headerFields)
            return HandshakeRequest(key: "", subprotocols: subprotocols)
        }
        if !isGranted, let fault = origins.fault(of: head.request) { throw fault }
        let handshake = try OpeningHandshake.check(head.request)
        // RFC 9110 §7.8: the protocol changes after a request's content, which isn't frames.
        if head.bodyFraming.hasContent {
            throw Problem(.badRequest, "An opening handshake has no content.")
        }
        return handshake
    }

    /// Returns the answer to a plain request where an upgrade would be accepted: 426 (RFC 6455
    /// §4.4).
    private func refusalOfPlain(on connection: ConnectionCore) -> HTTPFault {
        // The WebSocket would be opened only to be closed with 1008.
        if connection.admission > .admitted { return .tooManyConnections }
        return .upgradeRequired(isHTTP10: head.isHTTP10)
    }

    /// Logs an error of the route, and returns a 500. Nobody awaits the answer to a decision that
    /// was cancelled.
    private func failure(_ error: Any, on connection: ConnectionCore) -> Response {
        if !Task.isCancelled {
            connection.resources.warnings.failedUpgrade.log([
                "path": "\(head.request.loggedPath)", "error": "\(error)",
            ])
        }
        return Response(problem: .internalServerError)
    }

    /// Returns whether the server is stopping or drained.
    private func refusesUpgrades(on connection: ConnectionCore) -> Bool {
        connection.resources.registry.refusesUpgrades
            || settings.flags.isDrained.load(ordering: .relaxed)
    }

    private static let goingAway = Problem(
        .serviceUnavailable, "The server is going away.", headerFields: [.retryAfter: "5"])
}
