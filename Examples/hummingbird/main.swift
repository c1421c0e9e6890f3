// Hummingbird for HTTP on one port, and Apus for WebSockets on another, in one process: both run in
// one `ServiceGroup`, and Hummingbird's routes publish to the clients of Apus.
//
//     APUS_DEVELOPMENT=hummingbird swift run --disable-build-manifest-caching \
//         example-hummingbird [PORT] [WEBSOCKET-PORT]
//     apus connect ws://127.0.0.1:8081/news
//     curl http://127.0.0.1:8080/news --json '{"title": "The swifts are back"}'
import Foundation
import Hummingbird
import Logging
import ServiceLifecycle
import WebSocketServer

struct News: ResponseCodable {
    let title: String
}

let arguments = CommandLine.arguments
let httpPort = arguments.count > 1 ? Int(arguments[1]) ?? 8080 : 8080
let webSocketPort = arguments.count > 2 ? Int(arguments[2]) ?? 8081 : 8081
let logger = Logger(label: "news")

// Both libraries have a `Router`, a `Request` and a `Response`: where a name is ambiguous, write its
// module before it.
var sockets = WebSocketServer.Router()
sockets.webSocket("/news") { reader in
    reader.subscribe(to: "news")
    for try await _ in reader.messages {}
}
var configuration = ServerConfiguration(
    address: .hostname("127.0.0.1", port: webSocketPort))
// Pages come from Hummingbird's port, which makes them pages of another origin.
configuration.origins = OriginPolicy(
    allowsSameOrigin: true,
    patterns: [OriginPolicy.Pattern("http://127.0.0.1:\(httpPort)")!])
let server = try Server(configuration: configuration, router: sockets, logger: logger)

let router = Hummingbird.Router()
router.add(middleware: LogRequestsMiddleware(.info))
router.post("/news") { request, context in
    let news = try await request.decode(as: News.self, context: context)
    // The server exists already, so this route may use it. It is safe on any thread.
    try await server.publish(news, to: "news", using: JSONEncoder().encode)
    return EditedResponse(status: .accepted, response: news)
}
router.get("/health") { _, _ in "\(server.connectionCount) connections\n" }
let app = Application(
    router: router,
    configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: httpPort)),
    logger: logger)

// An application is a service as well. The group stops the last one first.
let group = ServiceGroup(
    services: [server, app], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
try await group.run()
