import WebSocketServer

var router = Router()
router.webSocket("/rooms/{room}") { member in  // async, on the connection's event loop
    let room = "rooms/\(member.request.parameters["room"]!)"
    member.subscribe(to: room)
    for try await message in member.messages {
        member.publish(message.text, to: room)
    }
}
try await Server(configuration: ServerConfiguration(), router: router).run()
