// Tests of the routes and of the handler, without sockets: the server is in memory, and its clock
// moves only when the test moves it.
import Testing
import WebSocketServer
import WebSocketTesting

@testable import example_poll

@Suite struct PollTests {
    @Test("Everyone in the poll sees a vote")
    func votes() async throws {
        try await withTestServer(makeRouter()) { app in
            let ada = try await app.connect("/polls/7")
            let bob = try await app.connect("/polls/7")
            let elsewhere = try await app.connect("/polls/8")
            await ada.send("3")
            #expect(try await ada.receive() == Message("3"))
            #expect(try await bob.receive() == Message("3"))
            // Nothing is left to do on the server, so nothing will come any more.
            #expect(await elsewhere.receiveAvailable().isEmpty)
        }
    }

    @Test("Each client votes once")
    func secondVote() async throws {
        try await withTestServer(makeRouter()) { app in
            let client = try await app.connect("/polls/7")
            await client.send("1")
            await client.send("2")
            #expect(try await client.receive() == Message("1"))
            #expect(
                try await client.waitUntilClosed()
                    == TestEnd(.policyViolation, "each client votes once"))
        }
    }

    @Test("Anything but an answer closes the connection", arguments: ["", "0", "5", "one", "1 "])
    func invalidVotes(_ text: String) async throws {
        try await withTestServer(makeRouter()) { app in
            let client = try await app.connect("/polls/7")
            await client.send(text)
            #expect(try await client.waitUntilClosed().code == .unsupportedData)
        }
    }

    @Test("A client has a minute for its vote")
    func deadline() async throws {
        try await withTestServer(makeRouter()) { app in
            let slow = try await app.connect("/polls/7")
            let voter = try await app.connect("/polls/7")
            await voter.send("4")
            await app.advance(by: .seconds(59))
            #expect(await slow.end == nil)
            await app.advance(by: .seconds(2))
            #expect(await slow.end?.code == .policyViolation)
            #expect(await voter.end == nil)
        }
    }

    @Test("A handler can be tested by itself")
    func handler() async throws {
        let connection = try await RecordingConnection(to: Voter(poll: "polls/7"))
        #expect(await connection.subscriptions == ["polls/7"])
        await connection.deliver("2")
        #expect(connection.published.map(\.topic) == ["polls/7"])
        #expect(connection.published.map(\.message) == [Message("2")])
        try await connection.stop()
    }

    @Test("A poll's number must be a number")
    func number() async throws {
        try await withTestServer(makeRouter()) { app in
            let response = try await app.get("/polls/first")
            #expect(response.status == .unprocessableContent)
        }
    }
}
