import Foundation
import Testing
import WebSocketServer
import LiveTesting

@testable import RealtimeApp

/// Tasks and notifications of a server.
@Suite struct TaskRoutesTests {
    @Test(
        "A new task is announced to subscribers, and is in a list requested then",
        arguments: [1, 3])
    func announced(loops: Int) async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let broker = MemoryBroker()
            let router = RealtimeApp(logger: .silent, broker: broker, tasks: store).router()
            try await withServer(router, broker: broker) {
                $0.loops = loops
            } _: { server in
                try await withClient { client in
                    let listener = try await client.connect(
                        to: server.url("/ws/notifications/tasks"))
                    let other = try await client.connect(to: server.url("/ws/notifications/other"))
                    try await listener.send("anybody there?")
                    try await waitForSubscriber("notifications/tasks", server)
                    for id in 1...3 {
                        let status = try await post(#"{"id":\#(id),"title":"é\#(id)"}"#, to: server)
                        #expect(status == 200)
                        let notice = await listener.receive()
                        #expect(notice == Message("New task created: é\(id)"))
                        #expect(try await list(store).last?.id == Int64(id))
                    }
                    #expect(try await post(#"{"id":1,"title":"again"}"#, to: server) == 409)
                    #expect(try await post(#"{"id":4}"#, to: server) == 422)
                    #expect(try await post(#"{"id":4,"title":"four"}"#, to: server) == 200)
                    // Neither of the two failed tasks was announced before it.
                    #expect(await listener.receive() == Message("New task created: four"))
                    await listener.close()
                    await other.close()
                }
            }
        }
    }

    @Test("Tasks are stored even if they can't be announced, which is logged once")
    func brokerDown() async throws {
        try await withFolder { folder in
            let store = try await open(folder)
            defer { store.close() }
            let broker = DeadBroker()
            let log = LogRecorder()
            let router = RealtimeApp(logger: log.logger, broker: broker, tasks: store).router()
            try await withServer(router, broker: broker) { server in
                for id in 1...3 {
                    let status = try await post(#"{"id":\#(id),"title":"secret"}"#, to: server)
                    #expect(status == 200)
                }
            }
            #expect(try await list(store).map(\.title) == ["secret", "secret", "secret"])
            let warnings = log.lines(with: "warning a new task was not announced")
            #expect(warnings.count == 1)
            #expect(warnings.first?.contains("secret") == false)
        }
    }

    @Test("Without a database there are no tasks")
    func noStore() async throws {
        let router = RealtimeApp(logger: .silent, broker: MemoryBroker()).router()
        try await withServer(router) { server in
            let status = try await post(#"{"id":1,"title":"t"}"#, to: server)
            #expect(status == 404)
        }
    }

    @Test(
        "An invalid topic name is refused before the upgrade",
        arguments: [
            ("%0A", 422), (String(repeating: "x", count: 242), 422), ("", 404),
            (String(repeating: "x", count: 241), 101), ("a%20%C3%A9%2Fb", 101),
        ])
    func names(topic: String, status: Int) async throws {
        let router = RealtimeApp(logger: .silent, broker: MemoryBroker()).router()
        try await withServer(router) { server in
            let head = try await ask(
                "GET /ws/notifications/\(topic) HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                    + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    + "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n", server)
            #expect(head.hasPrefix("HTTP/1.1 \(status) "))
        }
    }
}

/// Waits until a topic has a subscriber.
private func waitForSubscriber(_ topic: String, _ server: LiveServer) async throws {
    try await within(.seconds(120), "a subscriber to \(topic)") {
        while await !server.server.topics().contains(where: { $0.name == topic }) {
            try Task.checkCancellation()
        }
    }
}

/// Posts `body` to `/tasks`. Returns the status.
private func post(_ body: String, to server: LiveServer) async throws -> Int? {
    let head = try await ask(
        "POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)", server)
    return Int(head.split(separator: " ")[1])
}

/// Returns the head of the response to a request.
private func ask(_ request: String, _ server: LiveServer) async throws -> String {
    let client = try RawClient(to: server.addresses[0])
    try await client.send(request)
    let head = try await client.read(through: [UInt8]("\r\n\r\n".utf8))
    await client.close()
    return String(decoding: head, as: UTF8.self)
}

/// A broker that refuses everything.
private final class DeadBroker: Broker {
    let health = BrokerHealth(isReady: false, description: "dead")

    func start(_ receive: @escaping @Sendable (BrokerEvent) -> BrokerError?) {}
    func publish(
        _ publication: Publication, completion: (@Sendable (BrokerError?) -> Void)?
    ) {
        completion?(BrokerError(.unavailable, "it is dead"))
    }
    func subscribe(to topic: String) {}
    func unsubscribe(from topic: String) {}
    func stop() async {}
}
