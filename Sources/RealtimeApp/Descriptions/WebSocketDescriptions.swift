import WebSocketServer

/// The descriptions of the WebSocket routes.
extension WebSocketDescription {
    /// Returns the description of a route.
    ///
    /// - Parameter requiresToken: Whether a client needs a token.
    static func of(_ route: RealtimeApp.Route, requiresToken: Bool) -> WebSocketDescription {
        var description: WebSocketDescription =
            switch route {
            case .echo: echo
            case .chat: chat
            case .notifications: notifications
            case .channels: channels
            case .secure: secure
            }
        description.requiresToken = requiresToken
        if requiresToken {
            description.receives.append(
                MessageDescription(
                    "token", "A token: the first message, if the handshake had none.",
                    content: .json(.object(["token": .string("The token.")]))))
        }
        return description
    }

    private static let echo = WebSocketDescription(
        "Sends each message back with a prefix",
        receives: [MessageDescription("message", "A text or bytes.")],
        sends: [MessageDescription("echo", "`Message received: `, then the message.")])

    private static let chat = WebSocketDescription(
        "A chat of all clients",
        parameters: [RouteParameter("client_id", in: .path, "The number of the client.")],
        receives: [MessageDescription("line", "What a client says.")],
        sends: [
            MessageDescription("line", "`Client 7: `, then what client 7 said."),
            MessageDescription("left", "`Client 7 left the chat`."),
        ])

    private static let notifications = WebSocketDescription(
        "Sends what is published to a topic",
        details: "Messages of clients are dropped. New tasks are announced to the topic `tasks`.",
        parameters: [RouteParameter("topic", in: .path, "The name of the topic.")],
        sends: [MessageDescription("notification", "What was published.")])

    private static let channels = WebSocketDescription(
        "Sends what is published to a channel",
        details: "Clients only listen: one that sends a message is closed with 1008. "
            + "`POST /publish/{channel}` publishes.",
        parameters: [RouteParameter("channel", in: .path, "The name of the channel.")],
        sends: [MessageDescription("publication", "What was published.")])

    private static let secure = WebSocketDescription(
        "A chat for clients with a token",
        parameters: [RouteParameter("topic", in: .path, "The name of the topic.")],
        receives: [MessageDescription("line", "What a client says.")],
        sends: [MessageDescription("line", "`ada: `, then what the user ada said.")])
}
