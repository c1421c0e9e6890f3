import AppInput
import WebSocketServer

/// The descriptions of the routes for requests.
extension RouteDescription {
    private static let (pages, health, tasks, channels, tokens) = (
        "Server", "Health", "Tasks", "Channels", "Tokens"
    )

    static let page = RouteDescription(
        "Shows a page to try the routes", tag: pages,
        responses: [RouteResponse(200, "The page", RouteContent("text/html"))])

    static let about = RouteDescription(
        "Describes the server and its routes", tag: pages,
        responses: [
            RouteResponse(
                200, "The version and the routes",
                .json(
                    .object(
                        [
                            "version": .string("The version of the program."),
                            "routes": .array(of: aboutRoute, "The routes, WebSockets first."),
                        ], optional: ["version"])))
        ])

    private static let aboutRoute: JSONSchema = .object(
        [
            "method": .string("The method."),
            "path": .string("The path, with its parameters in braces."),
            "kind": .string("The kind of the route.", values: ["websocket", "http"]),
            "token": .boolean("Whether a token is needed."),
            "message_max": .integer("The maximum bytes of one message."),
            "message_rate": .integer("The limit of messages per second."),
            "byte_rate": .integer("The limit of bytes per second."),
            "compression": .boolean("Whether permessage-deflate is agreed to."),
            "body_max": .integer("The maximum bytes of a request's body."),
        ],
        optional: ["message_max", "message_rate", "byte_rate", "compression", "body_max"])

    static let openAPI = RouteDescription(
        "Describes the HTTP routes in OpenAPI 3.1", tag: pages,
        responses: [RouteResponse(200, "This document", .json(.object([:])))])

    static let asyncAPI = RouteDescription(
        "Describes the WebSocket routes in AsyncAPI 3.0", tag: pages,
        responses: [RouteResponse(200, "The document", .json(.object([:])))])

    static let liveness = RouteDescription(
        "Says that the server is alive", tag: health,
        responses: [RouteResponse(200, "It is alive", .json(.object(["status": .string()])))])

    static let readiness = RouteDescription(
        "Says whether the server is ready for new clients", tag: health,
        responses: [
            RouteResponse(200, "It is ready", .json(readinessBody)),
            RouteResponse(503, "It isn't ready; `faults` has the reasons", .json(readinessBody)),
        ])

    private static let readinessBody: JSONSchema = .object([
        "status": .string("The state.", values: ["ready", "not ready"]),
        "faults": .array(of: .string(), "The reasons, for people."),
        "broker": .object([
            "ready": .boolean("Whether publications reach all servers."),
            "state": .string("The state of the broker, for people."),
            "gaps": .integer("How often publications may have been missed.", in: 0 ... .max),
        ]),
    ])

    static func publish(requiresToken: Bool) -> RouteDescription {
        let message: JSONSchema = .object(["message": .string("The message.")])
        return RouteDescription(
            "Publishes a message to a channel",
            details: "The message is in the query, in a form, in JSON, or is the whole body as "
                + "plain text. The one in the query takes precedence.",
            tag: channels,
            parameters: [
                RouteParameter(
                    "channel", in: .path,
                    "The name of the channel, without control characters.",
                    schema: .string(count: 1 ... .max)),
                RouteParameter("message", "The message; here, or in the body."),
            ],
            body: [.json(message), .form(message), .text], requiresBody: false,
            responses: [
                RouteResponse(200, "The broker has accepted the message", .json(confirmation)),
                .invalid("There is no message, or the name of the channel isn't valid"),
                .problem(503, "The message is not confirmed, and may still arrive."),
            ], requiresToken: requiresToken)
    }

    private static let confirmation: JSONSchema = .object(["message": .string("What was done.")])

    static let signIn = RouteDescription(
        "Gives a token for a name and a password",
        details: "The password form of OAuth2 (RFC 6749 §4.3).", tag: tokens,
        body: [
            .form(
                .object([
                    "grant_type": .string("The kind of the request.", values: ["password"]),
                    "username": .string("The name of the user."),
                    "password": .string("The password of the user."),
                ]))
        ],
        responses: [
            RouteResponse(
                200, "The token",
                .json(
                    .object([
                        "access_token": .string("The token."),
                        "token_type": .string("How to use it.", values: ["bearer"]),
                        "expires_in": .integer("The seconds that it is valid.", in: 1 ... .max),
                    ]))),
            RouteResponse(
                400, "Name or password is wrong, or the form is incomplete",
                .json(
                    .object(
                        [
                            "error": .string("The code of the error (RFC 6749 §5.2)."),
                            "error_description": .string("The reason."),
                            "detail": .string("The reason, too."),
                        ], optional: ["error", "error_description"]))),
            RouteResponse(
                429, "There were too many attempts; `Retry-After` has the seconds to wait",
                .json(.object(["detail": .string("The reason.")]))),
            .problem(503, "The server has no users, or no key to sign with."),
        ])

    static func createTask(requiresToken: Bool) -> RouteDescription {
        RouteDescription(
            "Stores a task, and announces it",
            details: "The task is on the disk before the request is answered. Other members are "
                + "ignored.",
            tag: tasks,
            body: [
                .json(
                    .object(
                        [
                            "id": .integer("The number of the task."),
                            "title": .string("What is to be done.", count: 1...200),
                            "description": .string("More about it.", count: 0...10_000).orNull,
                        ], optional: ["description"]))
            ],
            responses: [
                RouteResponse(200, "The task is stored", .json(confirmation)),
                .problem(409, "There is a task with this id."),
                .invalid("The body isn't a valid task"),
                .problem(503, "The task is not stored; try again later."),
            ], requiresToken: requiresToken)
    }

    static func listTasks(requiresToken: Bool) -> RouteDescription {
        RouteDescription(
            "Lists the tasks in the order of their ids", tag: tasks,
            parameters: [
                RouteParameter(
                    "limit", "The most tasks; all by default.", schema: .integer(in: 1...100_000)),
                RouteParameter("after", "The id after which the list begins.", schema: .integer()),
            ],
            responses: [
                RouteResponse(
                    200, "The tasks",
                    .json(
                        .array(
                            of: .object([
                                "id": .integer("The number of the task."),
                                "title": .string("What is to be done."),
                                "description": .string("More about it.").orNull,
                                "created_at": .string("When it was stored.", format: "date-time"),
                            ])))),
                .invalid("A parameter isn't valid"),
                .problem(503, "The tasks can't be read; try again later."),
            ], requiresToken: requiresToken)
    }
}

extension RouteResponse {
    /// Creates the 422 with all errors of a request.
    fileprivate static func invalid(_ details: String) -> RouteResponse {
        let fault: JSONSchema = .object(
            [
                "loc": .array(of: .any, "The place: the part of the request, then the field."),
                "msg": .string("The error, for people."),
                "type": .string("The kind of the error, for programs."),
                "ctx": .object([:], "The limit that was exceeded."),
            ], optional: ["ctx"])
        return RouteResponse(422, details, .json(.object(["detail": .array(of: fault)])))
    }
}
