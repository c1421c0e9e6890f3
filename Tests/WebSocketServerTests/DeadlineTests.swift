import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Deadlines of connections")
struct DeadlineTests {
    /// Sets a deadline as each message says, and reports those that pass.
    private final class Setter: ConnectionHandler, Sendable {
        let passed = Reports<String>()
        let closed = Reports<CloseCode>()

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            let text = String(payload)
            if text == "clear" {
                connection.clearDeadline()
            } else {
                let delay = Duration.milliseconds(Int(text) ?? 0)
                connection.setDeadline(after: delay) { [passed] connection in
                    passed.add(text)
                    connection.send("passed \(text)")
                    // A deadline that is set by a deadline runs as well.
                    if text == "1" {
                        connection.setDeadline(after: .zero) { $0.send("and again") }
                    }
                }
            }
            connection.send("set \(text)")
        }

        func onClose(_ connection: Connection, code: CloseCode, reason: String) {
            connection.setDeadline(after: .zero) { [passed] _ in passed.add("after the end") }
            closed.add(code)
        }
    }

    @Test("A deadline passes once; a later one replaces it; a cancelled one doesn't pass")
    func passing() async throws {
        let setter = Setter()
        try await withServer(.single(setter)) { server in
            try await withClient { client in
                let connection = try await client.connect(to: server.url("/ws"))
                for (text, answers) in [
                    ("1", ["set 1", "passed 1", "and again"]),
                    ("3600000", ["set 3600000"]), ("2", ["set 2", "passed 2"]),
                    // More than the wheel can represent.
                    ("999999999999", ["set 999999999999"]), ("clear", ["set clear"]),
                    ("0", ["set 0", "passed 0"]),
                ] {
                    try await connection.send(text)
                    for answer in answers {
                        #expect(await connection.receive() == Message(answer))
                    }
                }
                await connection.close()
            }
        }
        #expect(setter.passed.all == ["1", "2", "0"])
    }

    @Test(
        "It ends with its connection, however that ends; nothing is left",
        arguments: [true, false])
    func ending(isReset: Bool) async throws {
        let setter = Setter()
        // Throws if the ledger isn't zero.
        try await withServer(.single(setter)) { server in
            let client = try await server.upgraded()
            try await client.send(RawClient.Frame.text("3600000").encoded())
            _ = try await client.readFrame()
            if isReset { await client.reset() } else { await client.close() }
            _ = try await setter.closed.next()
        }
        #expect(setter.passed.all == [])
    }
}
