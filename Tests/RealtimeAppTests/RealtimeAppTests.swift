import RealtimeApp
import Testing
import WebSocketServer
import LiveTesting

@Suite struct RealtimeAppTests {
    private let router = RealtimeApp(
        logger: .silent, broker: MemoryBroker(), tools: true
    ).router()

    @Test("Echo answers text with a prefix, and binary messages likewise")
    func echo() async throws {
        try await withServer(router) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                try await connection.send("hello")
                #expect(await connection.receive() == Message("Message received: hello"))
                try await connection.send("")
                #expect(await connection.receive() == Message("Message received: "))
                let prefix = [UInt8]("Message received: ".utf8)
                try await connection.send(Message([0, 255, 10]))
                #expect(await connection.receive() == Message(prefix + [0, 255, 10]))
                #expect(await connection.close().code == .normalClosure)
            }
        }
    }

    @Test(
        "The chat sends messages to all members, including the sender, and reports who left",
        arguments: [1, 3])
    func chat(loops: Int) async throws {
        try await withServer(router) {
            $0.loops = loops
        } _: { server in
            try await withClient { client in
                var members: [ClientConnection] = []
                for number in 1...4 {
                    members.append(try await client.connect(to: server.url("/ws/\(number)")))
                    // A client that has received its own message is a member.
                    try await members[number - 1].send("here")
                    for member in members {
                        #expect(await member.receive() == Message("Client \(number): here"))
                    }
                }
                await members.removeFirst().close()
                for member in members {
                    #expect(await member.receive() == Message("Client 1 left the chat"))
                }
                for member in members { await member.close() }
            }
        }
    }

    @Test("The client's number must be a number")
    func clientNumber() async throws {
        try await withServer(router) { server in
            try await withClient { client in
                let error = await #expect(throws: ClientError.self) {
                    try await client.connect(to: server.url("/ws/seven"))
                }
                #expect(error?.status == 422)
            }
        }
    }

    @Test("The tools' routes send messages back, or to all")
    func tools() async throws {
        try await withServer(router) { server in
            try await withClient { client in
                let echo = try await client.connect(to: server.url("/echo"))
                try await echo.send("as it is")
                #expect(await echo.receive() == Message("as it is"))
                let one = try await client.connect(to: server.url("/broadcast"))
                let other = try await client.connect(to: server.url("/broadcast"))
                try await other.send("all")
                #expect(await other.receive() == Message("all"))
                #expect(await one.receive() == Message("all"))
                for connection in [echo, one, other] { await connection.close() }
            }
        }
    }
}
