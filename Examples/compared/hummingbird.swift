// Chat rooms on Hummingbird 2 with hummingbird-websocket: see docs/compared.md.
import Foundation
import Hummingbird
import HummingbirdWebSocket
import Logging
import ServiceLifecycle

struct Room: ResponseCodable {
    let name: String
    let title: String
}

struct Chat: Codable {
    let text: String
}

struct Line: Codable {
    let from: String
    let text: String
}

/// Stands for a database.
actor Members {
    private let names = ["token-of-ada": "ada", "token-of-bob": "bob"]

    func name(of token: String) async throws -> String? { names[token] }
}

/// The rooms, and the connections in each: the fan-out is the program's own.
actor Rooms {
    private var rooms = ["lobby": Room(name: "lobby", title: "Lobby")]
    private var lines: [String: [UUID: AsyncStream<String>.Continuation]] = [:]

    var all: [Room] { rooms.values.sorted { $0.name < $1.name } }

    func add(_ room: Room) -> Bool {
        guard rooms[room.name] == nil else { return false }
        rooms[room.name] = room
        return true
    }

    func has(_ name: String) -> Bool { rooms[name] != nil }

    func join(_ room: String, as id: UUID) -> AsyncStream<String> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: String.self, bufferingPolicy: .bufferingOldest(1_000))
        lines[room, default: [:]][id] = continuation
        return stream
    }

    func leave(_ room: String, as id: UUID) {
        lines[room]?.removeValue(forKey: id)?.finish()
        if lines[room]?.isEmpty == true { lines[room] = nil }
    }

    func publish(_ line: Line, to room: String) throws {
        let text = String(decoding: try JSONEncoder().encode(line), as: UTF8.self)
        for (id, member) in lines[room] ?? [:] {
            // A slow consumer is disconnected once a thousand messages wait for it.
            if case .dropped = member.yield(text) { leave(room, as: id) }
        }
    }

    func publish(_ line: Line) throws {
        for room in lines.keys { try publish(line, to: room) }
    }
}

/// Publishes the time to all rooms.
struct Clock: Service {
    let rooms: Rooms

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                try await rooms.publish(Line(from: "clock", text: "\(Date.now)"))
            }
        }
    }
}

struct Context: RequestContext, WebSocketRequestContext {
    var coreContext: CoreRequestContextStorage
    let webSocket = WebSocketHandlerReference<Self>()
    var member = ""

    init(source: Source) { coreContext = .init(source: source) }
}

/// Hands the name of the token's owner to the routes.
struct Authenticate: RouterMiddleware {
    let members: Members

    func handle(
        _ request: Request, context: Context,
        next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let field = request.headers[.authorization] ?? ""
        guard field.hasPrefix("Bearer "),
            let name = try await members.name(of: String(field.dropFirst(7)))
        else {
            throw HTTPError(
                .unauthorized, headers: [.wwwAuthenticate: "Bearer"], message: "No valid token.")
        }
        var context = context
        context.member = name
        return try await next(request, context)
    }
}

let rooms = Rooms()
let router = Router(context: Context.self)
router.add(middleware: LogRequestsMiddleware(.info))
router.add(middleware: FileMiddleware("public", searchForIndexHtml: true))
router.get("/api/rooms") { _, _ in await rooms.all }
router.post("/api/rooms") { request, context in
    let room = try await request.decode(as: Room.self, context: context)
    guard (1...40).contains(room.name.utf8.count) else {
        throw HTTPError(.unprocessableContent, message: "name: 1 to 40 bytes")
    }
    guard await rooms.add(room) else { throw HTTPError(.conflict, message: "The room exists.") }
    return EditedResponse(status: .created, response: room)
}

let webSockets = Router(context: Context.self)
webSockets.add(middleware: LogRequestsMiddleware(.info))
webSockets.add(middleware: Authenticate(members: Members()))
webSockets.ws("/rooms/:room") { request, context in
    guard await rooms.has(try context.parameters.require("room")) else {
        throw HTTPError(.notFound, message: "There is no such room.")
    }
    return .upgrade()
} onUpgrade: { inbound, outbound, context in
    let room = try context.requestContext.parameters.require("room")
    let id = UUID()
    let lines = await rooms.join(room, as: id)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            for try await message in inbound.messages(maxSize: 16_384) {
                guard case .text(let text) = message else { continue }
                let chat = try JSONDecoder().decode(Chat.self, from: Data(text.utf8))
                let line = Line(from: context.requestContext.member, text: chat.text)
                try await rooms.publish(line, to: room)
            }
        }
        group.addTask {
            for await line in lines { try await outbound.write(.text(line)) }
        }
        // The first of the two to end ends both.
        do { try await group.next() } catch { await rooms.leave(room, as: id); throw error }
        await rooms.leave(room, as: id)
        group.cancelAll()
    }
}

let port = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1])! : 8080
let app = Application(
    router: router,
    server: .http1WebSocketUpgrade(webSocketRouter: webSockets),
    configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
    services: [Clock(rooms: rooms)],
    logger: Logger(label: "rooms"))
try await app.runService()
