import Synchronization
import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// The effect of admission on connections with sockets. ``AdmissionTests`` tests its decisions.
@Suite("Places of connections") struct PlaceTests {
    /// `/ws` echoes, `/later` expects `token` as authentication, `/slow` answers when it may.
    private static func router(_ gate: Gate = Gate()) -> Router {
        var router = Router.echo
        router.webSocket("/later") { _ in .accept(Doorkeeper(), awaitsAuthentication: true) }
        router.get("/quick") { _ in .text("quick") }
        router.get("/slow") { _ in
            gate.entered.add(())
            await gate.opened()
            return .text("slow")
        }
        return router
    }

    /// A gate at which handlers wait.
    private final class Gate: Sendable {
        let entered = Reports<Void>()
        private let isOpen = Atomic<Bool>(false)

        func open() { isOpen.store(true, ordering: .relaxed) }
        func opened() async { while !isOpen.load(ordering: .relaxed) { await Task.yield() } }
    }

    /// A handler that echoes to clients that have sent `token`.
    private final class Doorkeeper: ConnectionHandler {
        func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {
            if String(payload) == "token" { connection.authenticated() }
            connection.send(payload, as: kind)
        }
    }

    private static let request = "GET /quick HTTP/1.1\r\nHost: a\r\n\r\n"

    /// The actions of a connection before it falls silent. After each of them, it counts as
    /// waiting.
    enum Silence: CaseIterable {
        case nothing, partOfHead, keptAlive, partOfBody, awaitingAuthentication, closing, lingering

        fileprivate func begin(_ client: RawClient) async throws {
            switch self {
            case .nothing: break
            case .partOfHead: try await client.send("GET /quick HTTP/1.1\r\nHos")
            case .keptAlive:
                try await client.send(request)
                _ = try await client.readResponse()
            case .partOfBody:
                try await client.send(
                    "GET /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
                        + "Expect: 100-continue\r\n\r\n")
                _ = try await client.readHead()
            case .awaitingAuthentication: try await client.upgrade("/later")
            case .closing:
                try await client.upgrade("/ws")
                try await client.send(RawClient.Frame(first: 0x83))
                _ = try await client.readFrame()
            case .lingering:
                try await client.send("nonsense\r\n\r\n")
                _ = try await client.readResponse()
            }
        }
    }

    @Test(
        "Silent connections keep nobody out, whatever they did before",
        arguments: Silence.allCases, [1, 2])
    func silence(kind: Silence, loops: Int) async throws {
        try await withServer(Self.router()) {
            $0.loops = loops
            $0.limits.connectionsMax = 8
        } _: { server in
            // More than there is room for, also between the useful ones.
            var silent: [RawClient] = []
            var used: [RawClient] = []
            func fallSilent(_ count: Int) async throws {
                for _ in 0..<count {
                    silent.append(try server.raw())
                    try await kind.begin(silent.last!)
                }
            }
            try await fallSilent(12)
            for _ in 0..<8 {
                try await fallSilent(2)
                used.append(try await server.upgraded())
            }
            for client in used {
                try await client.send(.text("still"))
                #expect(try await client.readFrame() == .text("still"))
            }
            // An eighth more is one, twice: at most these ten are open.
            for client in silent.dropLast(2) { _ = try await client.readToEnd(orReset: true) }
            #expect(server.server.connectionCount == 10)
            let counters = await server.server.counters()
            #expect(counters.evicted == silent.count - 2)
            #expect(counters.refusedAtAccept == 0)
        }
    }

    @Test("A request that is being answered isn't evicted, and keeps its connection afterwards")
    func answering() async throws {
        let gate = Gate()
        try await withServer(Self.router(gate)) {
            $0.limits.connectionsMax = 2
        } _: { server in
            let slow = try server.raw()
            try await slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await gate.entered.next()
            var silent: [RawClient] = []
            for _ in 0..<8 { silent.append(try server.raw()) }
            for client in silent.prefix(5) { _ = try await client.readToEnd(orReset: true) }
            gate.open()
            #expect(try await slow.readResponse().body == "slow")
            try await slow.send(Self.request)
            #expect(try await slow.readResponse().body == "quick")
        }
    }

    @Test("Beyond the limit requests are still answered; a WebSocket gets 1008")
    func healthAtLimit() async throws {
        try await withServer(Self.router()) {
            $0.limits.connectionsMax = 1
        } _: { server in
            let holding = try await server.upgraded()
            let plain = try server.raw()
            for _ in 0..<3 {
                try await plain.send(Self.request)
                #expect(try await plain.readResponse().body == "quick")
            }
            try await plain.upgrade("/ws")
            #expect(try await plain.readFrame().closeCode == .policyViolation)
            await holding.close()
        }
    }

    @Test("A client that authenticates when all places are taken gets 1008")
    func lateAuthentication() async throws {
        try await withServer(Self.router()) {
            $0.limits.connectionsMax = 1
        } _: { server in
            let early = try server.raw()
            try await early.upgrade("/later")
            let holding = try await server.upgraded()
            try await early.send(.text("token"))
            #expect(
                try await early.readFrame() == .close(.policyViolation, "too many connections"))
            for client in [holding, early] { await client.close() }
            try await within { while server.server.connectionCount > 0 { await Task.yield() } }
            let late = try server.raw()
            try await late.upgrade("/later")
            try await late.send(.text("token"))
            #expect(try await late.readFrame() == .text("token"))
            let refused = try await server.upgraded()
            #expect(try await refused.readFrame().closeCode == .policyViolation)
            #expect(await server.server.counters().refusedByLimit == 2)
        }
    }

    @Test("A connection beyond the headroom of its address is closed when it is accepted")
    func address() async throws {
        try await withServer(Self.router()) {
            $0.limits.connectionsPerAddressMax = 2
        } _: { server in
            let silent = try (0..<4).map { _ in try server.raw() }
            for _ in 0..<20 {
                #expect(try await server.raw().readToEnd(orReset: true).isEmpty)
            }
            for client in silent {
                try await client.send(Self.request)
                #expect(try await client.readResponse().body == "quick")
            }
            let counters = await server.server.counters()
            #expect(counters.accepted == 4 && counters.refusedAtAccept == 20)
        }
    }

    @Test("A client that the PROXY protocol names too often is closed as soon as it is named")
    func announced() async throws {
        try await withServer(Self.router()) {
            $0.limits.connectionsPerAddressMax = 2
            $0.proxies.proxyProtocol = .required
        } _: { server in
            let header = "PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n"
            // Before the header, the connection belongs to nobody.
            let unannounced = try (0..<20).map { _ in try server.raw() }
            let silent = try (0..<4).map { _ in try server.raw() }
            for client in silent {
                try await client.send(header + Self.request)
                #expect(try await client.readResponse().body == "quick")
            }
            for client in unannounced.prefix(3) {
                try await client.send(header)
                #expect(try await client.readToEnd(orReset: true).isEmpty)
            }
            for client in silent {
                try await client.send(Self.request)
                #expect(try await client.readResponse().body == "quick")
            }
        }
    }

    @Test("A 503 contains the time to wait")
    func retryAfter() async throws {
        try await withServer(Self.router()) {
            $0.limits.connectionsMax = 1
        } _: { server in
            let holding = try await server.upgraded()
            let told = try await server.upgraded()
            #expect(try await told.readFrame().closeCode == .policyViolation)
            for request in [Self.request, RawClient.upgradeRequest("/ws")] {
                let client = try server.raw()
                try await client.send(request)
                let head = try await client.readResponse().head.lowercased()
                #expect(head.hasPrefix("http/1.1 503 ") && head.contains("\r\nretry-after: 5\r\n"))
                await client.close()
                try await within { while server.server.connectionCount > 2 { await Task.yield() } }
            }
            await holding.close()
        }
    }

    @Test("A limit beyond the available descriptors is lowered, with a warning")
    func lowered() async throws {
        let log = LogRecorder()
        try await withServer(Self.router(), logger: log.logger) {
            $0.limits.connectionsMax = 10_000_000
        } _: { _ in
        }
        let allowed = Descriptors().limit < 10_000_000
        #expect(log.lines(with: "file descriptors").count == (allowed ? 1 : 0))
        try await withServer(Self.router(), logger: log.logger) { _ in }
        #expect(log.lines(with: "file descriptors").count == (allowed ? 1 : 0))
    }
}
