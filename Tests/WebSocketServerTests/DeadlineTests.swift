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
        try await withTestServer(.single(setter)) { app in
            let client = try await app.connect("/ws")
            // The milliseconds after which something is to come, and what.
            for (text, delay, answers) in [
                ("1", 64, ["passed 1", "and again"]), ("3600000", 3_599_968, []),
                ("2", 32, ["passed 2"]), ("6400", 6_368, []), ("64", 64, ["passed 64"]),
                // More than the wheel can represent.
                ("999999999999", 3_600_000, []), ("clear", 0, []),
                ("0", 32, ["passed 0"]),
            ] {
                await client.send(text)
                #expect(await client.receiveAvailable() == [Message("set \(text)")])
                await app.advance(by: .milliseconds(delay))
                #expect(await client.receiveAvailable() == answers.map { Message($0) })
            }
            try await client.close()
        }
        #expect(setter.passed.all == ["1", "2", "64", "0"])
    }

    @Test(
        "It ends with its connection, however that ends; nothing is left",
        arguments: [true, false])
    func ending(isReset: Bool) async throws {
        let setter = Setter()
        // Throws if the ledger isn't zero.
        try await withTestServer(.single(setter)) { app in
            let client = try await app.upgraded()
            await client.send(.text("3600000"))
            _ = try await client.readFrame()
            if isReset { await client.cut() } else { await client.close() }
            _ = try await setter.closed.next()
            await app.advance(by: .seconds(3_600))
        }
        #expect(setter.passed.all == [])
    }
}
