public import WebSocketServer

/// The features that `apus serve` offers: echo, chat, topics for those with a token, a page to
/// try them on, health.
public struct RealtimeApp: Sendable {
    /// The routes whose limits, heartbeat and compression can be adjusted.
    public enum Route: String, CaseIterable, Sendable {
        case echo, chat, secure

        public var path: String {
            switch self {
            case .echo: "/ws"
            case .chat: "/ws/{client_id:int}"
            case .secure: "/ws/secure/{topic}"
            }
        }
    }

    let logger: Logger
    /// Where the features publish; the server's own.
    let broker: any Broker
    /// Who may use them.
    let authentication: Authentication
    /// Adds `/echo`, `/echo/async`, `/broadcast` and `/topics`, for conformance and load tools.
    private let hasTools: Bool
    private let adjust: @Sendable (Route, inout ConnectionOptions) -> Void

    /// - Parameters:
    ///   - broker: the one that the server has too.
    ///   - authentication: who may use the features; by default anyone.
    ///   - adjusting: changes the server's values to those of a route.
    public init(
        logger: Logger, broker: any Broker, authentication: Authentication? = nil,
        tools: Bool = false,
        adjusting: @escaping @Sendable (Route, inout ConnectionOptions) -> Void = { _, _ in }
    ) {
        self.logger = logger
        self.broker = broker
        self.authentication = authentication ?? .none(logger: logger)
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
            try authentication.admit(request, for: .echo) { _ in echo }
        }

        router.webSocket(Route.chat.path, adjusting: adjustment(.chat)) { request in
            let clientID = request.parameters.integer("client_id")
            return try authentication.admit(request, for: .chat) { _ in
                ChatMember(clientID: clientID, logger: logger)
            }
        }
        addAuthentication(to: &router)

        router.get("/") { _ in Page.response }
        router.get("/healthz") { _ in .json(#"{"status":"ok"}"#) }

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
        return router
    }

    func adjustment(_ route: Route) -> ConnectionOptions.Adjust {
        { [adjust] options in adjust(route, &options) }
    }
}
