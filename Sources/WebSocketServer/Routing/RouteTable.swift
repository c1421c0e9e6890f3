import HTTPProtocol
import HTTPTypes
import Logging

/// The routes of a running server, with the middleware around each.
struct RouteTable: Sendable {
    /// A route that decides on upgrades.
    struct Upgrade: Sendable {
        let decide: Router.Upgrade
        let options: Router.OptionsIndex?
        /// The number of the route: 1 for the first one.
        let number: Int
        /// The middleware around it; `nil` if there is none.
        let middleware: MiddlewareChain?
    }

    private enum Target: Sendable {
        case upgrade(Upgrade)
        case respond(HTTPRequest.Method, Router.Respond, number: Int, hasMiddleware: Bool)
    }

    private struct Entry: Sendable {
        let pattern: PathPattern
        let target: Target
    }

    enum Found: Sendable {
        case webSocket(Upgrade, PathParameters)
        /// A route answers. If it has middleware, the origin is checked within that.
        case respond(Router.Respond, PathParameters, number: Int, hasMiddleware: Bool)
        /// The path is a WebSocket's, and the request is a plain GET or HEAD.
        case upgradeRequired(Upgrade, PathParameters)
        case unmatched(Unmatched)
    }

    /// The reason why no route answers a request.
    enum Unmatched: Sendable {
        case notFound
        case wrongType(name: String, value: ExactString)
        case methodNotAllowed([HTTPRequest.Method])
        /// The request asks for the methods of a path, or of the server.
        case options([HTTPRequest.Method])
    }

    private let entries: [Entry]
    private let alwaysServed: [PathPattern]
    /// The numbers of the routes, also of earlier ones that a reload has removed.
    let numbers: RouteNumbers
    /// The middleware around requests that no route answers; `nil` if there is none.
    let unmatched: MiddlewareChain?

    /// - Parameter earlier: The numbers of the routes that these replace.
    init(
        _ router: Router, origins: OriginCheck, earlier: RouteNumbers = RouteNumbers(),
        warnings: ServerWarnings, logger: Logger
    ) {
        var numbers = earlier
        alwaysServed = router.alwaysServed
        unmatched = MiddlewareChain(router.middleware, warnings, logger)
        entries = router.routes.map { route in
            let path = route.pattern.text
            let chain = MiddlewareChain(
                router.middleware + route.middleware, warnings, logger)
            let target: Target
            switch route.target {
            case .upgrade(let decide, let options):
                target = .upgrade(
                    Upgrade(
                        decide: decide, options: options,
                        number: numbers.number(of: RouteName(.get, path, isWebSocket: true)),
                        middleware: chain))
            case .respond(let method, let respond):
                let wrapped = chain.map { $0.around(respond, origins: origins) }
                target = .respond(
                    method, wrapped ?? respond,
                    number: numbers.number(of: RouteName(method, path, isWebSocket: false)),
                    hasMiddleware: chain != nil)
            }
            return Entry(pattern: route.pattern, target: target)
        }
        self.numbers = numbers
    }

    /// Returns whether a request is served even while the server is overloaded.
    func isAlwaysServed(_ head: RequestHead) -> Bool {
        alwaysServed.contains { pattern in
            if case .yes = pattern.match(head.pathSegments) { true } else { false }
        }
    }

    /// Returns the pattern of the first route whose path a request has; `nil` if there is none.
    func pattern(of head: RequestHead) -> String? {
        let entry = entries.first { entry in
            if case .yes = entry.pattern.match(head.pathSegments) { true } else { false }
        }
        return head.isServerWide ? nil : entry?.pattern.text
    }

    /// Finds the route of a request.
    func find(_ head: RequestHead, isUpgrade: Bool) -> Found {
        if head.isServerWide {
            let all = entries.map { entry -> HTTPRequest.Method in
                if case .respond(let method, _, _, _) = entry.target { method } else { .get }
            }
            return .unmatched(.options(Self.methods(of: all)))
        }
        return find(head.request.method, head.pathSegments, isUpgrade: isUpgrade)
    }

    /// Finds the route of a decoded path. HEAD uses the route of GET (RFC 9110 §9.3.2).
    func find(_ method: HTTPRequest.Method, _ path: [ExactString], isUpgrade: Bool) -> Found {
        var allowed: [HTTPRequest.Method] = []
        var upgradeRequired: Found?
        var wrong: (name: String, value: ExactString)?
        var plain: Found?
        for entry in entries {
            switch entry.pattern.match(path) {
            case .no: continue
            case .wrongType(let name, let value): wrong = wrong ?? (name, value)
            case .yes(let parameters):
                switch entry.target {
                case .upgrade(let upgrade):
                    // RFC 6455 §4.1 (2): an upgrade is a GET. Anything else is a plain request.
                    if isUpgrade, method == .get { return .webSocket(upgrade, parameters) }
                    upgradeRequired = upgradeRequired ?? .upgradeRequired(upgrade, parameters)
                    allowed.append(.get)
                case .respond(let own, let respond, let number, let hasMiddleware):
                    if own == method || own == .get && method == .head {
                        let found = Found.respond(
                            respond, parameters, number: number, hasMiddleware: hasMiddleware)
                        if !isUpgrade { return found }
                        // A path may have both kinds of routes. A request for an upgrade without a
                        // WebSocket route is a plain request (RFC 9110 §7.8).
                        plain = plain ?? found
                    }
                    allowed.append(own)
                }
            }
        }
        if let plain { return plain }
        // RFC 9110 §9.3.2: HEAD is answered like GET.
        if let upgradeRequired, method == .get || method == .head { return upgradeRequired }
        if !allowed.isEmpty {
            let methods = Self.methods(of: allowed)
            return .unmatched(
                method == .options ? .options(methods) : .methodNotAllowed(methods))
        }
        if let wrong { return .unmatched(.wrongType(name: wrong.name, value: wrong.value)) }
        return .unmatched(.notFound)
    }

    /// Returns the methods that routes for these methods answer, each once.
    private static func methods(of routes: [HTTPRequest.Method]) -> [HTTPRequest.Method] {
        let known = routes.flatMap { $0 == .get ? [.get, .head] : [$0] } + [.options]
        var methods: [HTTPRequest.Method] = []
        for method in known where !methods.contains(method) { methods.append(method) }
        return methods
    }
}

extension MiddlewareChain {
    /// Returns a route's closure with the middleware around it.
    fileprivate func around(
        _ respond: @escaping Router.Respond, origins: OriginCheck
    ) -> Router.Respond {
        { [self] request in
            await self.respond(to: request) { request in
                let isGranted = request.values[GrantedOrigin.self] == true
                if request.head.method.changesState, !isGranted,
                    let fault = origins.fault(of: request.head)
                {
                    return Response(problem: fault)
                }
                do {
                    return try await respond(request)
                } catch {
                    return warnings.response(to: error, of: request.head)
                }
            }
        }
    }
}
