// Chat rooms on Apus: see docs/compared.md.
import Foundation
import ServiceLifecycle
import WebSocketServer

struct Room: Codable {
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
    private let names: [ExactString: String] = ["token-of-ada": "ada", "token-of-bob": "bob"]

    func name(of token: String) async throws -> String? { names[ExactString(token)] }
}

actor Rooms {
    private var rooms = ["lobby": Room(name: "lobby", title: "Lobby")]

    var all: [Room] { rooms.values.sorted { $0.name < $1.name } }

    func add(_ room: Room) -> Bool {
        guard rooms[room.name] == nil else { return false }
        rooms[room.name] = room
        return true
    }

    func has(_ name: String) -> Bool { rooms[name] != nil }
}

/// Publishes the time to all rooms.
struct Clock: Service {
    let server: Server
    let rooms: Rooms

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                let line = Line(from: "clock", text: "\(Date.now)")
                for room in await rooms.all {
                    try? await server.publish(
                        line, to: "rooms/\(room.name)", using: JSONEncoder().encode)
                }
            }
        }
    }
}

let rooms = Rooms()
let members = Members()
let authentication = BearerAuthentication { token in try await members.name(of: token) }

var router = Router()
router.add(middleware: LogRequests())
try router.files("/", from: "public")
router.get("/api/rooms") { _ in
    try Response.json(await rooms.all, using: JSONEncoder().encode)
}
router.post("/api/rooms") { request in
    let room = try request.decode(Room.self, using: JSONDecoder().decode)
    guard (1...40).contains(room.name.utf8.count) else {
        throw Problem(.unprocessableContent, "name: 1 to 40 bytes")
    }
    guard await rooms.add(room) else { throw Problem(.conflict, "The room exists.") }
    return try Response.json(room, status: .created, using: JSONEncoder().encode)
}
router.group(middleware: [authentication]) { members in
    members.upgrade("/rooms/{room}") { request in
        let name = request.values[BearerAuthentication<String>.self]!
        let room = request.parameters["room"]!.string
        guard await rooms.has(room) else {
            return .refuse(.notFound, "There is no such room.")
        }
        return .accept { member in
            member.subscribe(to: "rooms/\(room)")
            for try await message in member.messages {
                let chat = try message.decode(Chat.self, using: JSONDecoder().decode)
                let line = Line(from: name, text: chat.text)
                try member.publish(line, to: "rooms/\(room)", using: JSONEncoder().encode)
            }
        }
    }
}

let port = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1])! : 8080
let logger = Logger(label: "rooms")
let server = try Server(
    configuration: ServerConfiguration(address: .hostname("127.0.0.1", port: port)),
    router: router, logger: logger)
let group = ServiceGroup(
    services: [server, Clock(server: server, rooms: rooms)],
    gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
try await group.run()
