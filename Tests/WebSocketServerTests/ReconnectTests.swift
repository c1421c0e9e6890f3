import HTTPTypes
import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// A connection that is made again when it is lost. No test waits for real delays: each delay is
/// reported, and is over at once or when the test says so.
@Suite("Reconnecting") struct ReconnectTests {
    /// The events and delays of one connection.
    private final class Observer: Sendable {
        let events = Reports<String>()
        let delays = Reports<Duration>()
        private let gate: AsyncStream<Void>?

        /// - Parameter gate: Ends a delay with each of its elements. Without it, a delay takes no
        ///   time.
        init(gate: AsyncStream<Void>? = nil) { self.gate = gate }

        func settings(
            _ url: String, _ policy: ReconnectPolicy = ReconnectPolicy(),
            prepare: (@Sendable (inout ConnectionAttempt) async throws -> Void)? = nil
        ) -> ReconnectSettings {
            let attempt = ConnectionAttempt(url: url, subprotocols: [], headerFields: [:])
            let time = ReconnectTime {
                .now
            } sleep: { [delays, gate] delay in
                delays.add(delay)
                guard let gate else { return }
                for await _ in gate { break }
            } random: {
                1
            }
            return ReconnectSettings(
                attempt: attempt, policy: policy, prepare: prepare,
                onEvent: { [events] in events.add(Self.text($0)) }, time: time)
        }

        private static func text(_ event: ReconnectEvent) -> String {
            switch event {
            case .connected: "connected"
            case .disconnected(let end): "disconnected \(end.code.rawValue)"
            case .failed(let error as ClientError): "failed \(error.code)"
            case .failed(let error): "failed \(error)"
            case .reconnecting(_, let attempt): "attempt \(attempt)"
            case .ended(.closed): "ended"
            case .ended(.finalCode(let end)): "ended by \(end.code.rawValue)"
            case .ended(.failed): "given up"
            }
        }
    }

    /// Returns a router whose `/ws` sends a message on each connection and closes it with the next
    /// code.
    private static func closing(_ codes: [CloseCode]) -> Router {
        let count = Locked(0)
        var router = Router()
        router.webSocket("/ws") { connection in
            let number = count.withLock { count in
                count += 1
                return count
            }
            try await connection.send("\(number)")
            connection.close(codes[number - 1])
        }
        return router
    }

    /// Refuses connections: unlike a port that was just closed, another test can't be given it.
    private static let closedPort = "ws://127.0.0.1:1/ws"

    @Test("Messages continue over reconnections, until a final close code")
    func messages() async throws {
        let observer = Observer()
        try await withServer(Self.closing([.serviceRestart, .goingAway, .normalClosure])) {
            server in
            try await withClient { client in
                let connection = client.reconnecting(observer.settings(server.url("/ws")))
                var received: [String] = []
                for try await message in connection.messages { received.append(message.text) }
                #expect(received == ["1", "2", "3"])
                try await observer.events.next { $0 == "ended by 1000" }
                await #expect(throws: NotConnected.self) { try await connection.send("late") }
            }
        }
        #expect(
            observer.events.all == [
                "connected", "disconnected 1012", "attempt 1", "connected", "disconnected 1001",
                "attempt 1", "connected", "disconnected 1000", "ended by 1000",
            ])
        // The connections didn't last, so the delay grows.
        #expect(observer.delays.all == [.milliseconds(500), .seconds(1)])
    }

    @Test("The client gives up after the maximum of failed attempts in a row")
    func attempts() async throws {
        let observer = Observer()
        var policy = ReconnectPolicy()
        policy.attemptsMax = 3
        let settings = observer.settings(Self.closedPort, policy)
        try await withClient { client in
            let connection = client.reconnecting(settings)
            let error = await #expect(throws: ClientError.self) {
                for try await _ in connection.messages {}
            }
            #expect(error?.code == .cannotConnect)
            try await observer.events.next { $0 == "given up" }
            await #expect(throws: NotConnected.self) { try await connection.waitUntilConnected() }
        }
        #expect(
            observer.events.all == [
                "failed cannotConnect", "attempt 2", "failed cannotConnect", "attempt 3",
                "failed cannotConnect", "given up",
            ])
        #expect(observer.delays.all == [.milliseconds(500), .seconds(1)])
    }

    @Test("Each attempt may have a fresh token, and fails if there is none")
    func preparing() async throws {
        struct NoToken: Error {}
        var router = Router()
        router.upgrade("/ws") { request in
            guard request.head.headerFields[.authorization] == "Bearer 3" else {
                return .refuse(.unauthorized, "no")
            }
            return .accept(Recorder(echoes: true))
        }
        let observer = Observer()
        var policy = ReconnectPolicy()
        policy.temporaryStatuses.insert(401)
        let own = policy
        try await withServer(router) { server in
            let right = server.url("/ws")
            try await withClient { client in
                let settings = observer.settings("ws://example.invalid/", own) { attempt in
                    if attempt.number == 1 { throw NoToken() }
                    attempt.url = right
                    attempt.headerFields[.authorization] = "Bearer \(attempt.number)"
                }
                let connection = client.reconnecting(settings)
                _ = try await connection.waitUntilConnected()
                try await connection.send("hello")
                var messages = connection.messages.makeAsyncIterator()
                #expect(try await messages.next() == Message("hello"))
                await connection.close()
                #expect(try await messages.next() == nil)
                try await observer.events.next { $0 == "ended" }
            }
        }
        #expect(
            observer.events.all == [
                "failed NoToken()", "attempt 2", "failed refused", "attempt 3", "connected",
                "disconnected 1000", "ended",
            ])
    }

    @Test("A final refusal ends it, with the status")
    func refusal() async throws {
        let observer = Observer()
        try await withServer(Router()) { server in
            try await withClient { client in
                let connection = client.reconnecting(observer.settings(server.url("/no")))
                let error = await #expect(throws: ClientError.self) {
                    for try await _ in connection.messages {}
                }
                #expect(error?.status == 404)
                try await observer.events.next { $0 == "given up" }
            }
        }
        #expect(observer.events.all == ["failed refused", "given up"])
    }

    @Test("Sending while disconnected fails, and works again afterwards")
    func sending() async throws {
        let (gate, opener) = AsyncStream<Void>.makeStream()
        let observer = Observer(gate: gate)
        let recorder = Recorder(echoes: true)
        try await withServer(.single(recorder)) { server in
            try await withClient { client in
                let connection = client.reconnecting(observer.settings(server.url("/ws")))
                _ = try await connection.waitUntilConnected()
                // The connection is cut, without a Close frame.
                let first = try await recorder.connections.next()
                _ = await first.onLoop { $0.terminate(reset: true) }
                _ = try await observer.delays.next()
                let error = await #expect(throws: NotConnected.self) {
                    try await connection.send("lost")
                }
                #expect(error?.isOver == false)
                #expect(error?.description.contains("is being made") == true)
                opener.yield()
                _ = try await connection.waitUntilConnected()
                try await connection.send("found")
                var messages = connection.messages.makeAsyncIterator()
                #expect(try await messages.next() == Message("found"))
                await connection.close(4_000, reason: "done")
            }
            try await recorder.events.next { $0 == .closed(4_000, "done") }
        }
        #expect(observer.events.all.contains("disconnected 1006"))
    }

    enum Ending: CaseIterable, Sendable { case close, shutdown, cancellation }

    @Test("It ends while it waits for the next attempt", arguments: Ending.allCases)
    func ending(_ ending: Ending) async throws {
        let observer = Observer(gate: AsyncStream { _ in })
        let settings = observer.settings(Self.closedPort)
        try await withClient { client in
            let connection = client.reconnecting(settings)
            let reading = Task {
                for try await _ in connection.messages {}
            }
            _ = try await observer.delays.next()
            switch ending {
            case .close:
                await connection.close()
                try await within { try await reading.value }
            case .shutdown:
                await client.shutdown()
                let error = await #expect(throws: ClientError.self) {
                    try await within { try await reading.value }
                }
                #expect(error?.code == .shutDown)
            case .cancellation:
                reading.cancel()
                try await within { try await reading.value }
                await connection.close()
            }
        }
        try await observer.events.next { $0 == (ending == .shutdown ? "given up" : "ended") }
    }

    @Test("A shutdown of the client closes its connection with 1001")
    func shutdown() async throws {
        let recorder = Recorder()
        try await withServer(.single(recorder)) { server in
            let client = try WebSocketClient(logger: .silent)
            let connection = client.reconnecting(to: server.url("/ws"))
            _ = try await connection.waitUntilConnected()
            await client.shutdown()
            #expect(try await recorder.end() == .closed(.goingAway, ""))
            #expect(client.ledger?.isZero == true)
            let late = client.reconnecting(to: server.url("/ws"))
            await #expect(throws: NotConnected.self) { try await late.waitUntilConnected() }
        }
    }
}

/// The rules of reconnection, which are pure functions.
@Suite("Reconnection policy") struct ReconnectPolicyTests {
    @Test(
        "The delay doubles up to the maximum, and is shortened by up to a half",
        arguments: [
            (0, 1, 500), (1, 1, 1_000), (2, 1, 2_000), (5, 1, 16_000), (6, 1, 30_000),
            (1_000, 1, 30_000), (0, 0, 250), (6, 0, 15_000), (0, 0.5, 375),
        ] as [(Int, Double, Int)])
    func delays(failures: Int, random: Double, milliseconds: Int) {
        let delay = ReconnectPolicy().delay(failures: failures, random: random)
        #expect(delay == .milliseconds(milliseconds))
    }

    @Test("The server's Retry-After counts, up to the maximum")
    func retryAfter() {
        let policy = ReconnectPolicy()
        func delay(_ seconds: Int) -> Duration {
            policy.delay(failures: 0, random: 1, retryAfter: .seconds(seconds))
        }
        #expect(delay(0) == .milliseconds(500) && delay(7) == .seconds(7))
        #expect(delay(3_600) == .seconds(30))
        func asked(_ field: String) -> Duration? {
            var response = HTTPResponse(status: .serviceUnavailable)
            response.headerFields[HTTPField.Name("Retry-After")!] = field
            return ReconnectPolicy.retryAfter(ClientError(refusal: response, body: []))
        }
        #expect(asked("7") == .seconds(7))
        #expect(asked("-7") == nil && asked("Fri, 31 Dec 1999 23:59:59 GMT") == nil)
        #expect(ReconnectPolicy.retryAfter(ClientError(.timedOut, "")) == nil)
    }

    @Test("Errors of the network and of the server are temporary, and the client's own final")
    func errors() {
        let policy = ReconnectPolicy()
        for code in [ClientError.Code.cannotConnect, .timedOut, .handshakeFailed] {
            #expect(policy.retries(after: ClientError(code, "")))
        }
        for code in [ClientError.Code.invalidURL, .schemeNotSupported, .shutDown, .cancelled] {
            #expect(!policy.retries(after: ClientError(code, "")))
        }
        for status in [408, 425, 429, 500, 503] {
            #expect(policy.retries(after: ClientError(.refused, "", status: status)))
        }
        for status in [200, 302, 401, 403, 404] {
            #expect(!policy.retries(after: ClientError(.refused, "", status: status)))
        }
    }

    @Test("Close codes say whether to come back")
    func codes() {
        let policy = ReconnectPolicy()
        func retries(_ code: CloseCode) -> Bool {
            policy.retries(after: ConnectionEnd(code: code, reason: ""))
        }
        for code: CloseCode in [1001, 1005, 1006, 1011, 1012, 1013, 1014, 4001, 4008] {
            #expect(retries(code))
        }
        for code: CloseCode in [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000] {
            #expect(!retries(code))
        }
    }
}
