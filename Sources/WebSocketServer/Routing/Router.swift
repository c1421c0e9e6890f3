import HTTPProtocol
public import HTTPTypes

/// Which path leads to which handler.
///
/// A pattern's segments are literals, `{name}` for any text, or `{name:int}` for an integer; a
/// literal wins over an integer, an integer over text. A path that exists under another method
/// is answered 405, one whose `{name:int}` isn't an integer 422, an unknown one 404. OPTIONS is
/// answered with a path's methods, unless a route answers it.
public struct Router: Sendable {
    /// Decides on an upgrade, on the connection's loop; must not block.
    ///
    /// A plain GET or HEAD of the path is decided on as well, since browsers hide why an upgrade
    /// was refused and a page can ask by GET: it is answered with the refusal, or else 426. So the
    /// closure must change nothing: leave that to ``ConnectionHandler/onOpen(_:)``, or see
    /// ``UpgradeRequest/isPlain``.
    public typealias Upgrade = @Sendable (UpgradeRequest) throws -> UpgradeDecision
    /// Answers a request, on the connection's loop; must not block it.
    public typealias Respond = @Sendable (Request) async throws -> Response
    /// Talks on a connection until it returns; the connection is closed then.
    public typealias Talk = @Sendable (AsyncConnection) async throws -> Void

    /// Which of ``adjustments`` is a route's.
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
        /// The path's methods are asked for, or all that there are.
        case options([HTTPRequest.Method])
        /// The path is a WebSocket's and the request is a plain GET or HEAD.
        case upgradeRequired(Upgrade, PathParameters)
        case notFound
    }

    private var routes: [Route] = []
    private(set) var adjustments: [ConnectionOptions.Adjust] = []

    public init() {}

    private mutating func add(_ path: String, _ target: Target) {
        let route = Route(pattern: PathPattern(path), target: target)
        let index = routes.firstIndex {
            route.pattern.specificity.lexicographicallyPrecedes($0.pattern.specificity)
        }
        routes.insert(route, at: index ?? routes.endIndex)
    }

    /// A WebSocket route whose closure decides on each upgrade, and on plain requests of its path.
    ///
    /// - Parameter adjusting: changes limits, heartbeat or compression for this route, from the
    ///   server's values.
    public mutating func webSocket(
        _ path: String, adjusting: ConnectionOptions.Adjust? = nil, upgrade: @escaping Upgrade
    ) {
        if let adjusting { adjustments.append(adjusting) }
        add(path, .webSocket(upgrade, adjusting.map { _ in adjustments.count - 1 }))
    }

    /// A WebSocket route whose closure runs as long as the connection is wanted.
    public mutating func webSocket(
        _ path: String, adjusting: ConnectionOptions.Adjust? = nil, talk: @escaping Talk
    ) {
        webSocket(path, adjusting: adjusting) { request in
            .accept(TalkBridge(request: request, talk: talk))
        }
    }

    public mutating func get(_ path: String, respond: @escaping Respond) {
        add(path, .respond(.get, respond))
    }

    public mutating func post(_ path: String, respond: @escaping Respond) {
        add(path, .respond(.post, respond))
    }

    public mutating func on(
        _ method: HTTPRequest.Method, _ path: String, respond: @escaping Respond
    ) {
        add(path, .respond(method, respond))
    }

    /// Every route's method and path, and whether it opens WebSockets.
    package var list: [(method: HTTPRequest.Method, path: String, isWebSocket: Bool)] {
        routes.map { route in
            if case .webSocket = route.target { return (.get, route.pattern.text, true) }
            return (route.target.method, route.pattern.text, false)
        }
    }

    /// The route for a request.
    func find(_ head: RequestHead, isUpgrade: Bool) -> Found {
        if head.isServerWide { return .options(Self.methods(of: routes.map(\.target.method))) }
        return find(head.request.method, head.pathSegments, isUpgrade: isUpgrade)
    }

    /// The route for a decoded path. HEAD is served by GET's route (RFC 9110 §9.3.2).
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
                    // RFC 6455 §4.1 (2): a GET opens it. Else the request is a plain one.
                    if isUpgrade, method == .get {
                        return .webSocket(upgrade, parameters, options)
                    }
                    upgradeRequired = upgradeRequired ?? .upgradeRequired(upgrade, parameters)
                    allowed.append(.get)
                case .respond(let own, let respond):
                    if own == method || own == .get && method == .head {
                        if !isUpgrade { return .respond(respond, parameters) }
                        // A path may be both; who asks for an upgrade gets it if there is one,
                        // else the request is a plain one (RFC 9110 §7.8).
                        plain = plain ?? .respond(respond, parameters)
                    }
                    allowed.append(own)
                }
            }
        }
        if let plain { return plain }
        // RFC 9110 §9.3.2: HEAD is answered as GET is.
        if let upgradeRequired, method == .get || method == .head { return upgradeRequired }
        if !allowed.isEmpty {
            let methods = Self.methods(of: allowed)
            return method == .options ? .options(methods) : .methodNotAllowed(methods)
        }
        if let wrong { return .wrongType(name: wrong.name, value: wrong.value) }
        return .notFound
    }

    /// The methods that are answered where there are routes for some, each once.
    private static func methods(of routes: [HTTPRequest.Method]) -> [HTTPRequest.Method] {
        let known = routes.flatMap { $0 == .get ? [.get, .head] : [$0] } + [.options]
        var methods: [HTTPRequest.Method] = []
        for method in known where !methods.contains(method) { methods.append(method) }
        return methods
    }
}
