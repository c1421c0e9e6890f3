import HTTPProtocol
public import HTTPTypes

/// The routes of a server: paths and their handlers.
///
/// The segments of a path are literals, `{name}` for any text, or `{name:int}` for an integer. The
/// last one may be `{name...}`, the rest of a path. From the left, a literal takes precedence over
/// an integer, an integer over text, and text over the rest of a path.
///
/// Requests without a route are answered 404, those whose path has routes for other methods only
/// 405, and those whose `{name:int}` isn't an integer 422. OPTIONS is answered with the methods of
/// a path, unless a route handles it.
///
/// Invalid paths and repeated routes are errors, which ``validate()`` reports.
public struct Router: Sendable {
    /// A closure that decides on an upgrade. It runs on the connection's event loop and must not
    /// block it, but may await, such as a token's look-up in a database. Its task is cancelled when
    /// the client leaves, and after ``Limits/handshakeTimeout``, when the client is answered 503.
    /// A thrown ``Problem`` refuses the upgrade; any other error is logged and answered 500.
    ///
    /// It also decides on plain GET and HEAD requests of its path, which are answered with the
    /// refusal, or else 426: browsers hide from a page why an upgrade was refused, so the page asks
    /// by GET. The closure must therefore have no side effects. Leave these to the code that
    /// receives the connection, or check ``UpgradeRequest/isPlain``.
    public typealias Upgrade = @Sendable (UpgradeRequest) async throws -> UpgradeDecision
    /// A closure that answers a request. It runs on the connection's event loop and must not block
    /// it. A thrown ``Problem`` becomes the response; any other error is logged and answered 500.
    /// Its task is cancelled when the client leaves; a client that only sends no more is still
    /// answered.
    public typealias Respond = @Sendable (Request) async throws -> Response
    /// A closure that handles a connection. The connection is closed when it returns or throws.
    public typealias Talk = @Sendable (AsyncConnection) async throws -> Void

    /// The index of a route's entry in ``adjustments``.
    typealias OptionsIndex = Int

    enum Target: Sendable {
        case upgrade(Upgrade, OptionsIndex?)
        case respond(HTTPRequest.Method, Respond)

        var method: HTTPRequest.Method {
            switch self {
            case .upgrade: .get
            case .respond(let method, _): method
            }
        }
    }

    struct Route: Sendable {
        let pattern: PathPattern
        var target: Target
        /// The middleware of the groups around the route, from the outermost to the innermost.
        var middleware: [any Middleware] = []
        /// What a route for requests says about itself.
        var requestDescription: RouteDescription?
        /// What a WebSocket route says about itself.
        var webSocketDescription: WebSocketDescription?

        /// The sort key: routes are tried in this order.
        var precedence: [Int] {
            // An own route for HEAD comes before the route for GET, which answers HEAD too.
            pattern.specificity + [target.method == .head ? 0 : 1]
        }
    }

    private(set) var routes: [Route] = []
    private(set) var adjustments: [ConnectionConfiguration.Adjust] = []
    /// The middleware around all routes, from the outermost to the innermost.
    private(set) var middleware: [any Middleware] = []
    /// The errors in the paths of routes and groups.
    private(set) var pathErrors: [String] = []
    /// The paths that are served while the server is overloaded.
    private(set) var alwaysServed: [PathPattern] = []
    /// The path of the group, which begins all paths in it; empty for a server's router.
    private let prefix: String

    /// Creates a router without routes.
    public init() { prefix = "" }

    private init(prefix: String) { self.prefix = prefix }

    // MARK: - WebSockets

    /// Adds a WebSocket route whose `async` closure handles each connection.
    ///
    /// - Parameters:
    ///   - path: The path's pattern.
    ///   - description: What the route is for, for ``asyncAPI(title:version:details:)``.
    ///   - adjusting: Changes the server's limits, heartbeat or compression for this route.
    ///   - talk: Runs on the connection's event loop until the connection is no longer needed.
    public mutating func webSocket(
        _ path: String, description: WebSocketDescription? = nil,
        adjusting: ConnectionConfiguration.Adjust? = nil, talk: @escaping Talk
    ) {
        upgrade(path, description: description, adjusting: adjusting) { _ in .accept(talk) }
    }

    /// Adds a WebSocket route whose closure decides on each upgrade, and on plain requests of its
    /// path.
    ///
    /// ```swift
    /// router.upgrade("/rooms/{room}") { request in
    ///     guard try await isMember(request) else {
    ///         return .refuse(.forbidden, "You are no member of this room.")
    ///     }
    ///     return .accept { connection in try await connection.send("Welcome!") }
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - path: The path's pattern.
    ///   - description: What the route is for, for ``asyncAPI(title:version:details:)``.
    ///   - adjusting: Changes the server's limits, heartbeat or compression for this route.
    ///   - decide: Accepts or refuses an upgrade. A thrown ``Problem`` refuses it as well; any
    ///     other error is logged and answered 500.
    public mutating func upgrade(
        _ path: String, description: WebSocketDescription? = nil,
        adjusting: ConnectionConfiguration.Adjust? = nil, decide: @escaping Upgrade
    ) {
        if let adjusting { adjustments.append(adjusting) }
        add(path, .upgrade(decide, adjusting.map { _ in adjustments.count - 1 })) {
            $0.webSocketDescription = description
        }
    }

    // MARK: - Requests

    /// Adds a route for GET, which also answers HEAD unless another route does.
    public mutating func get(
        _ path: String, description: RouteDescription? = nil, respond: @escaping Respond
    ) {
        on(.get, path, description: description, respond: respond)
    }

    /// Adds a route for POST.
    public mutating func post(
        _ path: String, description: RouteDescription? = nil, respond: @escaping Respond
    ) {
        on(.post, path, description: description, respond: respond)
    }

    /// Adds a route for PUT.
    public mutating func put(
        _ path: String, description: RouteDescription? = nil, respond: @escaping Respond
    ) {
        on(.put, path, description: description, respond: respond)
    }

    /// Adds a route for PATCH.
    public mutating func patch(
        _ path: String, description: RouteDescription? = nil, respond: @escaping Respond
    ) {
        on(.patch, path, description: description, respond: respond)
    }

    /// Adds a route for DELETE.
    public mutating func delete(
        _ path: String, description: RouteDescription? = nil, respond: @escaping Respond
    ) {
        on(.delete, path, description: description, respond: respond)
    }

    /// Adds a route for any method.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - path: The path's pattern.
    ///   - description: What the route does, for ``openAPI(title:version:details:)``.
    ///   - respond: Answers the requests.
    public mutating func on(
        _ method: HTTPRequest.Method, _ path: String, description: RouteDescription? = nil,
        respond: @escaping Respond
    ) {
        add(path, .respond(method, respond)) { $0.requestDescription = description }
    }

    // MARK: - Groups and middleware

    /// Adds middleware around all routes of this router, whether they are added before or after it.
    /// The first one that is added is the outermost.
    ///
    /// The middleware of a server's own router, unlike that of a group, also gets the requests that
    /// no route answers: those answered 404, 405 or 422, and OPTIONS. No middleware gets requests
    /// that aren't valid HTTP, or that a limit of connections refuses.
    public mutating func add(middleware: some Middleware) { self.middleware.append(middleware) }

    /// Adds routes whose paths begin alike, or that share middleware.
    ///
    /// ```swift
    /// router.group("/api", middleware: [authentication]) { api in
    ///     api.get("/users/{id:int}") { request in try await user(request) }
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - prefix: The beginning of the paths; `/` adds nothing. The path `/` in the group is the
    ///     prefix itself.
    ///   - middleware: The middleware around the routes, from the outermost to the innermost; all
    ///     of it is within the middleware of this router.
    ///   - add: Adds the routes.
    /// - Throws: The error of `add`.
    public mutating func group(
        _ prefix: String = "/", middleware: [any Middleware] = [],
        _ add: (inout Router) throws -> Void
    ) rethrows {
        let part = prefix == "/" ? "" : prefix
        if !part.isEmpty, !part.hasPrefix("/") || part.hasSuffix("/") {
            pathErrors.append(
                "group \(prefix): a group's path begins with a slash and doesn't end with one")
        }
        var group = Router(prefix: self.prefix + part)
        group.middleware = middleware
        try add(&group)
        merge(group)
    }

    /// Adds the routes of a group.
    private mutating func merge(_ group: Router) {
        let first = adjustments.count
        adjustments += group.adjustments
        pathErrors += group.pathErrors
        alwaysServed += group.alwaysServed
        for var route in group.routes {
            if case .upgrade(let decide, let index?) = route.target {
                route.target = .upgrade(decide, first + index)
            }
            route.middleware = group.middleware + route.middleware
            insert(route)
        }
    }

    private mutating func add(
        _ path: String, _ target: Target, describe: (inout Route) -> Void
    ) {
        guard let pattern = pattern(path) else { return }
        var route = Route(pattern: pattern, target: target)
        describe(&route)
        insert(route)
    }

    /// Returns the pattern of a path in this group. Records an error if the path is invalid.
    private mutating func pattern(_ path: String) -> PathPattern? {
        // A relative path is an error of its own, and must not become part of the prefix.
        let full =
            path == "/" && !prefix.isEmpty ? prefix : path.hasPrefix("/") ? prefix + path : path
        do throws(PatternError) {
            return try PathPattern(full)
        } catch {
            pathErrors.append("\(full): \(error.reason)")
            return nil
        }
    }

    /// Serves requests for a path also while the server is overloaded and refuses those of other
    /// new connections: see ``OverloadConfiguration``. For health checks, which should say so themselves
    /// (``Request/isOverloaded``).
    public mutating func serveAlways(_ path: String) {
        if let pattern = pattern(path) { alwaysServed.append(pattern) }
    }

    /// Inserts a route behind those of the same precedence.
    private mutating func insert(_ route: Route) {
        let precedence = route.precedence
        let index = routes.firstIndex { precedence.lexicographicallyPrecedes($0.precedence) }
        routes.insert(route, at: index ?? routes.endIndex)
    }

    /// The method and path of every route, and whether it is a WebSocket's.
    package var list: [(method: HTTPRequest.Method, path: String, isWebSocket: Bool)] {
        routes.map { route in
            if case .upgrade = route.target { return (.get, route.pattern.text, true) }
            return (route.target.method, route.pattern.text, false)
        }
    }

    /// The paths of the routes that adjust the server's settings, with their adjustments.
    var adjustedPaths: [(path: String, index: OptionsIndex, adjust: ConnectionConfiguration.Adjust)]
    {
        routes.compactMap { route in
            guard case .upgrade(_, let index?) = route.target else { return nil }
            return (route.pattern.text, index, adjustments[index])
        }
    }
}
