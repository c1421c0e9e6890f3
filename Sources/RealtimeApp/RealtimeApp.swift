public import WebSocketServer

/// The features that `apus serve` offers: echo, chat, a page to try them on, health.
public struct RealtimeApp: Sendable {
    private let logger: Logger
    /// Adds `/echo`, `/echo/async` and `/broadcast`, for conformance and load tools.
    private let hasTools: Bool

    public init(logger: Logger, tools: Bool = false) {
        self.logger = logger
        hasTools = tools
    }

    /// The routes of the application.
    public func router() -> Router {
        var router = Router()
        let logger = self.logger

        let echo = Echo(prefix: "Message received: ", logger: logger)
        router.webSocket("/ws") { _ in .accept(echo) }

        let chat = ChatRoom()
        router.webSocket("/ws/{client_id:int}") { request in
            .accept(
                ChatMember(
                    clientID: request.parameters.integer("client_id"), room: chat, logger: logger))
        }

        router.get("/") { _ in Page.response }
        router.get("/healthz") { _ in .json(#"{"status":"ok"}"#) }

        if hasTools {
            let raw = RawEcho()
            router.webSocket("/echo") { _ in .accept(raw) }
            router.webSocket("/echo/async") { connection in
                for try await message in connection.messages { try await connection.send(message) }
            }
            let room = ChatRoom()
            router.webSocket("/broadcast") { _ in .accept(Broadcaster(room: room)) }
        }
        return router
    }
}
