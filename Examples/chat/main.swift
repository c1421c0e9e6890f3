// A chat with rooms: each message goes to all members of the room.
//
//     swift run example-chat [PORT]
//     apus connect ws://127.0.0.1:8080/rooms/birds/ada
import WebSocketServer

let port = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 8080 : 8080
var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: port))
// Ctrl-C closes all connections with 1012, so that clients know that they should reconnect.
configuration.handlesSignals = true
configuration.limits.messageSizeMax = .kibibytes(16)
configuration.limits.messageRateMax = 20
// A member that reads too slowly misses the oldest messages, but stays.
configuration.topics.rules = [.init(prefix: "rooms/", policy: .dropOldest)]
let topics = configuration.topics

var router = Router()
router.upgrade("/rooms/{room}/{name}") { request in
    // The prefix keeps clients from other topics of the program, whatever they choose.
    let room = "rooms/\(request.parameters["room"]!)"
    let name = request.parameters["name"]!
    guard topics.isValidName(room) else {
        return .refuse(.unprocessableContent, "The room's name is too long.")
    }
    return .accept { member in
        member.subscribe(to: room)
        member.publish("\(name) joined", to: room)
        // However the connection ends, the loop ends, and the others hear of it.
        defer { member.publish("\(name) left", to: room) }
        for try await message in member.messages {
            guard message.kind == .text else {
                return member.close(.unsupportedData, reason: "send text")
            }
            member.publish("\(name): \(message.text)", to: room)
        }
    }
}

try await Server(configuration: configuration, router: router).run()
