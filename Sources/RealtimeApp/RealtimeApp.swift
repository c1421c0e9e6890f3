// Met in this module's interface, and by its tests.
@_exported public import struct HTTPProtocol.ExactString
public import WebSocketServer

/// The features that `apus serve` offers: echo, chat, notifications, tasks, channels, topics for
/// those with a token, a page to try them on, health.
public struct RealtimeApp: Sendable {
    /// The routes whose limits, heartbeat and compression can be adjusted.
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

        /// What may demand a token of it; `nil`: it demands one always.
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
    /// Where the features publish; the server's own.
    let broker: any Broker
    /// The server's: what a topic's name may be.
    let topics: TopicOptions
    /// Where tasks are stored; without it there are none.
    let tasks: TaskStore?
    /// Who may use them.
    let authentication: Authentication
    /// The program's version, for people to read; empty if it has none.
    let version: String
    /// The server's: what holds for a route that adjusts nothing.
    let options: ConnectionOptions
    /// Adds `/echo`, `/echo/async`, `/broadcast` and `/topics`, for conformance and load tools.
    private let hasTools: Bool
    private let adjust: @Sendable (Route, inout ConnectionOptions) -> Void

    /// - Parameters:
    ///   - broker: the one that the server has too.
    ///   - topics: the server's.
    ///   - tasks: where they are stored; `nil`: nowhere, and `/tasks` is not found.
    ///   - authentication: who may use the features; by default anyone.
    ///   - version: the program's, shown to people; empty: none is shown.
    ///   - options: the server's, shown to people with what the routes adjust.
    ///   - adjusting: changes the server's values to those of a route.
    public init(
        logger: Logger, broker: any Broker, topics: TopicOptions = TopicOptions(),
        tasks: TaskStore? = nil, authentication: Authentication? = nil, tools: Bool = false,
        version: String = "", options: ConnectionOptions = ConnectionOptions(),
        adjusting: @escaping @Sendable (Route, inout ConnectionOptions) -> Void = { _, _ in }
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

    /// The routes of the application.
    public func router() -> Router {
        var router = Router()
        let logger = self.logger
        let authentication = self.authentication

        let echo = Echo(prefix: "Message received: ", logger: logger)
        router.webSocket(Route.echo.path, adjusting: adjustment(.echo)) { request in
            try authentication.admit(request, on: .echo) { _ in echo }
        }

        router.webSocket(Route.chat.path, adjusting: adjustment(.chat)) { request in
            let clientID = request.parameters.integer("client_id")
            return try authentication.admit(request, on: .chat) { _ in
                ChatMember(clientID: clientID, logger: logger)
            }
        }
        addAuthentication(to: &router)
        addNotifications(to: &router)
        addTasks(to: &router)

        router.get("/") { _ in Page.response }
        addHealth(to: &router)
        addChannels(to: &router)

        if hasTools {
            let raw = RawEcho()
            router.webSocket("/echo") { _ in .accept(raw) }
            router.webSocket("/echo/async") { connection in
                for try await message in connection.messages { try await connection.send(message) }
            }
            let broadcaster = Broadcaster()
            router.webSocket("/broadcast") { _ in .accept(broadcaster) }
            let topics = TopicTool()
            router.webSocket("/topics") { _ in .accept(topics) }
        }
        addAbout(to: &router)
        return router
    }

    func adjustment(_ route: Route) -> ConnectionOptions.Adjust {
        { [adjust] options in adjust(route, &options) }
    }
}
