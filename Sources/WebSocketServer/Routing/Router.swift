import HTTPProtocol
public import HTTPTypes

/// The routes of a server: paths and their handlers.
///
/// The segments of a path are literals, `{name}` for any text, or `{name:int}` for an integer. A
/// literal takes precedence over an integer, and an integer over text. Requests without a route are
/// answered 404, those whose path has routes for other methods only 405, and those whose
/// `{name:int}` isn't an integer 422. OPTIONS is answered with the methods of a path, unless a
/// route handles it.
public struct Router: Sendable {
    /// A closure that decides on an upgrade. It runs on the connection's event loop and must not
    /// block.
    ///
    /// It also decides on plain GET and HEAD requests of its path, which are answered with the
    /// refusal, or else 426: browsers hide from a page why an upgrade was refused, so the page asks
    /// by GET. The closure must therefore have no side effects. Leave these to
    /// ``ConnectionHandler/onOpen(_:)``, or check ``UpgradeRequest/isPlain``.
    public typealias Upgrade = @Sendable (UpgradeRequest) throws -> UpgradeDecision
    /// A closure that answers a request. It runs on the connection's event loop and must not block
    /// it. A thrown ``Problem`` becomes the response; any other error is logged and answered 500.
    public typealias Respond = @Sendable (Request) async throws -> Response
    /// A closure that handles a connection. The connection is closed when it returns or throws.
    public typealias Talk = @Sendable (AsyncConnection) async throws -> Void

    /// The index of a route's entry in ``adjustments``.
    typealias OptionsIndex = Int

    enum Target: Sendable {
        case webSocket(Upgrade, OptionsIndex?)
        case respond(HTTPRequest.Method, Respond)

        var method: HTTPRequest.Method {
            switch self {
            case .webSocket: .get
            case .respond(let method, _): method
            }
        }
    }

    struct Route: Sendable {
        let pattern: PathPattern
        let target: Target
    }

    enum Found {
        case webSocket(Upgrade, PathParameters, OptionsIndex?)
        case respond(Respond, PathParameters)
        case wrongType(name: String, value: ExactString)
        case methodNotAllowed([HTTPRequest.Method])
        /// The request asks for the methods of a path, or of the server.
        case options([HTTPRequest.Method])
        /// The path is a WebSocket's, and the request is a plain GET or HEAD.
        case upgradeRequired(Upgrade, PathParameters)
        case notFound
    }

    private var routes: [Route] = []
    private(set) var adjustments: [ConnectionOptions.Adjust] = []

    /// Creates a router without routes.
    public init() {}

    private mutating func add(_ path: String, _ target: Target) {
        let route = Route(pattern: PathPattern(path), target: target)
        let index = routes.firstIndex {
            route.pattern.specificity.lexicographicallyPrecedes($0.pattern.specificity)
        }
        routes.insert(route, at: index ?? routes.endIndex)
    }

    /// Adds a WebSocket route whose closure decides on each upgrade, and on plain requests of its
    /// path.
    ///
    /// - Parameters:
    ///   - path: The path's pattern. An invalid one traps.
    ///   - adjusting: Changes the server's limits, heartbeat or compression for this route.
    ///   - upgrade: Accepts or refuses an upgrade. A thrown ``Problem`` refuses it as well.
    public mutating func webSocket(
        _ path: String, adjusting: ConnectionOptions.Adjust? = nil, upgrade: @escaping Upgrade
    ) {
        if let adjusting { adjustments.append(adjusting) }
        add(path, .webSocket(upgrade, adjusting.map { _ in adjustments.count - 1 }))
    }

    /// Adds a WebSocket route whose `async` closure handles each connection.
    ///
    /// - Parameters:
    ///   - path: The path's pattern. An invalid one traps.
    ///   - adjusting: Changes the server's limits, heartbeat or compression for this route.
    ///   - talk: Runs on the connection's event loop until the connection is no longer needed.
    public mutating func webSocket(
        _ path: String, adjusting: ConnectionOptions.Adjust? = nil, talk: @escaping Talk
    ) {
        webSocket(path, adjusting: adjusting) { request in
            .accept(TalkBridge(request: request, talk: talk))
        }
    }

    /// Adds a route for GET, which also answers HEAD.
    public mutating func get(_ path: String, respond: @escaping Respond) {
        add(path, .respond(.get, respond))
    }

    /// Adds a route for POST.
    public mutating func post(_ path: String, respond: @escaping Respond) {
        add(path, .respond(.post, respond))
    }

    /// Adds a route for any method.
    public mutating func on(
        _ method: HTTPRequest.Method, _ path: String, respond: @escaping Respond
    ) {
        add(path, .respond(method, respond))
    }

    /// The method and path of every route, and whether it is a WebSocket's.
    package var list: [(method: HTTPRequest.Method, path: String, isWebSocket: Bool)] {
        routes.map { route in
            if case .webSocket = route.target { return (.get, route.pattern.text, true) }
            return (route.target.method, route.pattern.text, false)
        }
    }

    /// The paths of the routes that adjust the server's settings, with their adjustments.
    var adjustedPaths: [(path: String, adjust: ConnectionOptions.Adjust)] {
        routes.compactMap { route in
            guard case .webSocket(_, let index?) = route.target else { return nil }
            return (route.pattern.text, adjustments[index])
        }
    }

    /// Finds the route of a request.
    func find(_ head: RequestHead, isUpgrade: Bool) -> Found {
        if head.isServerWide { return .options(Self.methods(of: routes.map(\.target.method))) }
        return find(head.request.method, head.pathSegments, isUpgrade: isUpgrade)
    }

    /// Finds the route of a decoded path. HEAD uses the route of GET (RFC 9110 §9.3.2).
    func find(_ method: HTTPRequest.Method, _ path: [ExactString], isUpgrade: Bool) -> Found {
        var allowed: [HTTPRequest.Method] = []
        var upgradeRequired: Found?
        var wrong: (name: String, value: ExactString)?
        var plain: Found?
        for route in routes {
            switch route.pattern.match(path) {
            case .no: continue
            case .wrongType(let name, let value): wrong = wrong ?? (name, value)
            case .yes(let parameters):
                switch route.target {
                case .webSocket(let upgrade, let options):
                    // RFC 6455 §4.1 (2): an upgrade is a GET. Anything else is a plain request.
                    if isUpgrade, method == .get {
                        return .webSocket(upgrade, parameters, options)
                    }
                    upgradeRequired = upgradeRequired ?? .upgradeRequired(upgrade, parameters)
                    allowed.append(.get)
                case .respond(let own, let respond):
                    if own == method || own == .get && method == .head {
                        if !isUpgrade { return .respond(respond, parameters) }
                        // A path may have both kinds of routes. A request for an upgrade without a
                        // WebSocket route is a plain request (RFC 9110 §7.8).
                        plain = plain ?? .respond(respond, parameters)
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
            return method == .options ? .options(methods) : .methodNotAllowed(methods)
        }
        if let wrong { return .wrongType(name: wrong.name, value: wrong.value) }
        return .notFound
    }

    /// Returns the methods that routes for these methods answer, each once.
    private static func methods(of routes: [HTTPRequest.Method]) -> [HTTPRequest.Method] {
        let known = routes.flatMap { $0 == .get ? [.get, .head] : [$0] } + [.options]
        var methods: [HTTPRequest.Method] = []
        for method in known where !methods.contains(method) { methods.append(method) }
        return methods
    }
}
