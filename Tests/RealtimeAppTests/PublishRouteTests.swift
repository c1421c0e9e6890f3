import Dispatch
import Testing
import WebSocketServer
import LiveTesting

@testable import RealtimeApp

/// Publishing by request while the event loops are too busy to deliver.
@Suite struct PublishRouteTests {
    /// A subscriber that blocks its event loop when it receives a message.
    private final class Subscriber: ConnectionHandler, Sendable {
        let blocked = Reports<Bool>()
        let release = DispatchSemaphore(value: 0)

        func onOpen(_ connection: Connection) {
            connection.subscribe(to: Channels.topic(of: "news"))
            connection.subscribe(to: NotificationStream.topic("tasks"))
        }

        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            blocked.add(true)
            release.wait()
        }
    }

    @Test("A publication that would be dropped is answered with 503, and a task is stored")
    func overload() async throws {
        let path = "/tmp/apus-test-\(UInt32.random(in: 0 ... .max)).sock"
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let (broker, log, subscriber) = (MemoryBroker(), LogRecorder(), Subscriber())
            var router = RealtimeApp(logger: log.logger, broker: broker, tasks: store).router()
            router.webSocket("/subscriber") { _ in .accept(subscriber) }
            try await withServer(router, broker: broker) {
                // Its connections are distributed over the loops in turn.
                $0.addresses = [.unix(path: path)]
                $0.loops = 2
                $0.topics.backlogMax = .mebibytes(1)
                $0.limits.outboxMax = .mebibytes(64)
            } _: { server in
                let client = try RawClient(to: server.addresses[0])
                try await client.upgrade("/subscriber")
                let requester = try RawClient(to: server.addresses[0])
                func post(_ path: String, _ type: String, _ body: String) async throws -> String {
                    try await requester.send(
                        "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Type: \(type)\r\n"
                            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
                    let (head, body) = try await requester.readResponse()
                    return head.split(separator: " ")[1] + " " + body
                }
                #expect(try await post("/publish/news", "text/plain", "first").hasPrefix("200 "))
                try await client.send(.text("block"))
                _ = try await subscriber.blocked.next()
                // Otherwise the server would never stop.
                defer { subscriber.release.signal() }
                // Requests this large would wait until the loop delivers again.
                let large = [UInt8](repeating: 7, count: 64 << 10)
                await #expect(throws: BrokerError.self) {
                    for _ in 0..<100 {
                        try await broker.publish(
                            Publication(large.span.bytes, as: .binary, to: "channel/news"))
                    }
                }
                let answer = try await post("/publish/news", "text/plain", "dropped")
                #expect(answer.hasPrefix("503 "))
                #expect(answer.contains("too much waits to be delivered"))
                let task = #"{"id":1,"title":"one"}"#
                #expect(try await post("/tasks", "application/json", task).hasPrefix("200 "))
                #expect(log.lines(with: "warning a new task was not announced").count == 1)
                await requester.close()
                await client.close()
            }
            #expect(try await list(store).map(\.title) == ["one"])
        }
    }
}
