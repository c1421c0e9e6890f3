import Testing
import LiveTesting

@testable import WebSocketServer

/// Batches of one topic are sent in runs. Subscribers that have waited, were sent a message of
/// their own, or have another context than most must receive the same messages.
@Suite("Runs of publications") struct TopicRunTests {
    private struct Member {
        let client: ClientConnection
        let connection: Connection
        var expected: [String] = []
    }

    /// A text that compresses after others of its kind. Now and then, one exceeds a run.
    private static func text(_ number: Int, _ random: inout SplitMix) -> String {
        let size = random.next() % 16 == 0 ? 40_000 : Int(random.next() % 300)
        let quote = "a quote of \(random.next() % 9), "
        return "\(number) " + String(repeating: quote, count: size / 14)
    }

    /// Publishes in one turn.
    private static func publish(_ texts: [String], to topic: String, by member: Member) async {
        await member.connection.onLoop { core in
            for text in texts { Connection(core: core).publish(text, to: topic) }
        }
    }

    @Test(
        "Everyone reads every batch, whatever came before and between", arguments: 1...4,
        [Compression.ContextTakeover.shared, .off])
    func everyone(seed: UInt64, takeover: Compression.ContextTakeover) async throws {
        var compression = Compression()
        compression.allowsPeerContextTakeover = true
        compression.contextTakeover = takeover
        let recorder = Recorder()
        try await withServer(.single(recorder)) {
            $0.compression = compression
            $0.limits.outboxMax = .mebibytes(64)
        } _: { [compression] server in
            try await withClient(compression: compression) { client in
                try await Self.run(seed, server, client, recorder)
            }
        }
    }

    private static func run(
        _ seed: UInt64, _ server: LiveServer, _ client: WebSocketClient, _ recorder: Recorder
    ) async throws {
        var random = SplitMix(seed)
        var members: [Member] = []
        for _ in 0..<9 {
            let socket = try await client.connect(to: server.url("/ws"))
            let member = Member(client: socket, connection: try await recorder.connections.next())
            member.connection.subscribe(to: "all")
            members.append(member)
        }
        for number in 0..<80 {
            let texts = (0..<1 + Int(random.next() % 12)).map { _ in text(number, &random) }
            switch random.next() % 5 {
            case 0:
                // From here on these differ from the others, each in the same way or in its own.
                let some = members.indices.filter { _ in random.next() % 3 == 0 }
                for index in some {
                    let topic = number % 2 == 0 ? "some" : "one\(index)"
                    members[index].connection.subscribe(to: topic)
                    if topic != "some" { await publish([texts[0]], to: topic, by: members[index]) }
                    members[index].expected.append(texts[0])
                }
                guard number % 2 == 0, let first = some.first else { break }
                await publish([texts[0]], to: "some", by: members[first])
                for index in some { members[index].connection.unsubscribe(from: "some") }
            case 1:
                let index = Int(random.next() % UInt64(members.count))
                members[index].connection.send(texts[0])
                members[index].expected.append(texts[0])
            default:
                await publish(texts, to: "all", by: members[number % members.count])
                for index in members.indices { members[index].expected += texts }
            }
        }
        for member in members {
            for text in member.expected {
                let message = await member.client.receive()
                try #require(message?.text == text)
            }
        }
        for member in members { await member.client.close() }
    }
}
