// Public because this module's interface and its tests use it.
@_exported public import struct HTTPProtocol.ExactString
public import WebSocketServer

/// The features of `apus serve`: echo, chat, notifications, tasks, channels, topics for clients
/// with a token, the page for trying them, and health checks.
public struct RealtimeApp: Sendable {
    /// The routes whose limits, heartbeat and compression can be configured separately.
    public enum Route: String, CaseIterable, Sendable {
        case echo, chat, notifications, channels, secure

        public var path: String {
            switch self {
            case .echo: "/ws"
            case .chat: "/ws/{client_id:int}"
            case .notifications: "/ws/notifications/{topic}"
            case .channels: "/ws/redis/{channel}"
            case .secure: "/ws/secure/{topic}"
            }
        }

        /// The feature that may require a token for the route; `nil` if the route always requires
        /// one.
        var feature: Authentication.Feature? {
            switch self {
            case .echo: .echo
            case .chat: .chat
            case .notifications: .notifications
            case .channels: .channels
            case .secure: nil
            }
        }
    }

    let logger: Logger
    /// The broker to which the features publish; the server's own.
    let broker: any Broker
    /// The server's options for topics.
    let topics: TopicConfiguration
    /// The store of tasks; without it, there are no tasks.
    let tasks: TaskStore?
    /// The authentication of clients.
    let authentication: Authentication
    /// The version of the program, shown to people; empty if it has none.
    let version: String
    /// The options of the server, which apply to routes without adjustments.
    let options: ConnectionConfiguration
    /// Whether `/echo`, `/echo/async`, `/broadcast` and `/topics` are added, for conformance and
    /// load tools.
    private let hasTools: Bool
    private let adjust: @Sendable (Route, inout ConnectionConfiguration) -> Void

    /// - Parameters:
    ///   - broker: The broker of the server.
    ///   - topics: The server's options for topics.
    ///   - tasks: The store of tasks; without one, `/tasks` is answered with 404.
    ///   - authentication: The authentication of clients. By default, anyone may use the features.
    ///   - version: The version of the program, shown to people. Empty: none is shown.
    ///   - options: The options of the server, shown to people together with those of the routes.
    ///   - adjusting: Changes the server's options for a route.
    public init(
        logger: Logger, broker: any Broker, topics: TopicConfiguration = TopicConfiguration(),
        tasks: TaskStore? = nil, authentication: Authentication? = nil, tools: Bool = false,
        version: String = "", options: ConnectionConfiguration = ConnectionConfiguration(),
        adjusting: @escaping @Sendable (Route, inout ConnectionConfiguration) -> Void = { _, _ in }
    ) {
        self.logger = logger
        self.broker = broker
        self.topics = topics
        self.tasks = tasks
        self.authentication = authentication ?? .none(logger: logger)
        self.version = version
        self.options = options
        hasTools = tools
        adjust = adjusting
    }

    /// Returns a router with all routes of the application.
    public func router() -> Router {
        var router = Router()
        let logger = self.logger
        let authentication = self.authentication

        let echo = Echo(prefix: "Message received: ", logger: logger)
        router.upgrade(
            Route.echo.path, description: description(.echo), adjusting: adjustment(.echo)
        ) { request in
            try authentication.admit(request, on: .echo) { _ in echo }
        }

        router.upgrade(
            Route.chat.path, description: description(.chat), adjusting: adjustment(.chat)
        ) { request in
            let clientID = request.parameters.integer("client_id")
            return try authentication.admit(request, on: .chat) { _ in
                ChatMember(clientID: clientID, logger: logger)
            }
        }
        addAuthentication(to: &router)
        addNotifications(to: &router)
        addTasks(to: &router)

        router.get("/", description: .page) { _ in Page.response }
        addHealth(to: &router) { request in
            if request.isDraining { return Self.drainingFault }
            return request.isOverloaded ? Self.overloadFault : nil
        }
        addChannels(to: &router)

        if hasTools {
            let raw = RawEcho()
            router.upgrade("/echo") { _ in .accept(raw) }
            router.webSocket("/echo/async") { connection in
                for try await message in connection.messages { try await connection.send(message) }
            }
            let broadcaster = Broadcaster()
            router.upgrade("/broadcast") { _ in .accept(broadcaster) }
            let topics = TopicTool()
            router.upgrade("/topics") { _ in .accept(topics) }
        }
        addDescriptions(to: &router)
        return router
    }

    func description(_ route: Route) -> WebSocketDescription {
        .of(route, requiresToken: authentication.demandsToken(route))
    }

    func adjustment(_ route: Route) -> ConnectionConfiguration.Adjust {
        { [adjust] options in adjust(route, &options) }
    }
}
