import HTTPProtocol
import Testing
import UVTransport
import LiveTesting

@testable import WebSocketServer

/// A handler that sends each client its address.
private final class Greeter: ConnectionHandler {
    func onOpen(_ connection: Connection) { connection.send(connection.remoteAddress) }
    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {}
}

@Suite struct ProxyTests {
    /// `/who` answers with the client's address, `/ws` sends it.
    private static var router: Router {
        var router = Router()
        router.get("/who") { .text($0.remoteAddress) }
        router.upgrade("/ws") { _ in .accept(Greeter()) }
        return router
    }

    private static func proxies(
        _ trusted: String..., header: ProxyConfiguration.Header = .xForwardedFor,
        protocol: ProxyConfiguration.PROXYProtocol = .off
    ) -> ProxyConfiguration {
        var proxies = ProxyConfiguration()
        proxies.trusted = trusted.map { TrustedProxy($0)! }
        proxies.header = header
        proxies.proxyProtocol = `protocol`
        return proxies
    }

    private static func who(_ header: String = "") -> String {
        "GET /who HTTP/1.1\r\nHost: a\r\n" + (header.isEmpty ? "" : header + "\r\n") + "\r\n"
    }

    @Test(
        "A trusted peer is believed, any other isn't",
        arguments: [
            (proxies("127.0.0.1"), "X-Forwarded-For: 192.0.2.1", "192.0.2.1"),
            (
                proxies("127.0.0.0/8", "10.0.0.0/8"), "X-Forwarded-For: 192.0.2.1, 10.9.9.9",
                "192.0.2.1"
            ),
            (proxies("127.0.0.1"), "X-Forwarded-For: 192.0.2.1, 10.9.9.9", "10.9.9.9"),
            (proxies("127.0.0.1"), "X-Forwarded-For: 192.0.2.1, ?", "127.0.0.1"),
            (proxies("127.0.0.1"), "Forwarded: for=192.0.2.1", "127.0.0.1"),
            (proxies("127.0.0.1"), "", "127.0.0.1"),
            (
                proxies("127.0.0.1", header: .forwarded), "Forwarded: for=\"[2001:db8::1]:9\"",
                "2001:db8::1"
            ),
            (proxies(), "X-Forwarded-For: 192.0.2.1", "127.0.0.1"),
            (proxies("127.0.0.2", "::/0", "unix"), "X-Forwarded-For: 192.0.2.1", "127.0.0.1"),
        ])
    func believed(proxies: ProxyConfiguration, header: String, client: String) async throws {
        try await withServer(Self.router) {
            $0.proxies = proxies
        } _: { server in
            let plain = try server.raw()
            try await plain.send(Self.who(header))
            #expect(try await plain.readResponse().body == client)
            let socket = try server.raw()
            try await socket.upgrade("/ws", header.isEmpty ? "" : header + "\r\n")
            #expect(try await socket.readFrame() == .text(client))
        }
    }

    @Test("Each request on a proxy's connection counts for its own client, and pauses for nobody")
    func keptAlive() async throws {
        try await withServer(Self.router) {
            $0.proxies = Self.proxies("127.0.0.1")
            $0.limits.connectionsPerAddressMax = 1
        } _: { server in
            let proxy = try server.raw()
            for client in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
                try await proxy.send(Self.who("X-Forwarded-For: " + client))
                #expect(try await proxy.readResponse().body == client)
            }
            // The kept connection counts for nobody, nor do the proxy's own requests.
            for _ in 0..<3 {
                let socket = try server.raw()
                try await socket.upgrade("/ws")
                #expect(try await socket.readFrame() == .text("127.0.0.1"))
            }
            let first = try server.raw()
            try await first.upgrade("/ws", "X-Forwarded-For: 192.0.2.1\r\n")
            #expect(try await first.readFrame() == .text("192.0.2.1"))
            let second = try server.raw()
            try await second.upgrade("/ws", "X-Forwarded-For: 192.0.2.1\r\n")
            #expect(try await second.readFrame().closeCode == .policyViolation)
            let other = try server.raw()
            try await other.upgrade("/ws", "X-Forwarded-For: 192.0.2.2\r\n")
            #expect(try await other.readFrame() == .text("192.0.2.2"))
        }
    }

    @Test("The PROXY protocol names the client, also byte by byte", arguments: [false, true])
    func announced(isSlow: Bool) async throws {
        try await withServer(Self.router) {
            $0.proxies = Self.proxies("127.0.0.1", protocol: .required)
        } _: { server in
            let client = try server.raw()
            let bytes = Array(("PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n" + Self.who()).utf8)
            for part in isSlow ? bytes.map({ [$0] }) : [bytes] { try await client.send(part) }
            #expect(try await client.readResponse().body == "192.0.2.1")
            // The header applies to all requests. Header fields of an untrusted client don't count.
            try await client.send(Self.who("X-Forwarded-For: 203.0.113.9"))
            #expect(try await client.readResponse().body == "192.0.2.1")
            let local = try server.raw()
            try await local.send("PROXY UNKNOWN\r\n" + Self.who())
            #expect(try await local.readResponse().body == "127.0.0.1")
        }
    }

    @Test("A peer without the header is closed, and so is an untrusted one")
    func refused() async throws {
        try await withServer(Self.router) {
            $0.proxies = Self.proxies(protocol: .required)
        } _: { server in
            let stranger = try server.raw()
            try await stranger.send(Self.who())
            #expect(try await stranger.readToEnd(orReset: true) == [])
            #expect(await server.server.counters().handshakeTimeouts == 0)
        }
        try await withServer(Self.router) {
            $0.proxies = Self.proxies(protocol: .required)
            $0.limits.handshakeTimeout = .milliseconds(100)
        } _: { server in
            let silent = try server.raw()
            try await silent.send("PROXY TCP4 ")
            #expect(try await silent.readToEnd(orReset: true) == [])
            #expect(await server.server.counters().handshakeTimeouts == 1)
        }
        try await withServer(Self.router) {
            $0.proxies = Self.proxies("10.0.0.0/8", protocol: .required)
        } _: { server in
            let client = try server.raw()
            #expect(try await client.readToEnd(orReset: true) == [])
            #expect(await server.server.counters().accepted == 0)
        }
    }

    @Test(
        "Ranges contain their addresses and no others",
        arguments: [
            ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0", "::"]),
            ("192.0.2.1", ["192.0.2.1", "::ffff:192.0.2.1"], ["192.0.2.0", "192.0.2.2"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"]),
            ("::/0", ["::", "ffff::"], ["0.0.0.0"]),
            ("fd00::/8", ["fd00::1", "fdff:ffff::"], ["fc00::", "fe00::"]),
            ("2001:db8::/64", ["2001:db8::ffff:0:0:0"], ["2001:db8:0:1::"]),
            ("2001:db8::8000:0:0:0/65", ["2001:db8::8000:0:0:1"], ["2001:db8::1"]),
            ("2001:db8::1/128", ["2001:db8::1"], ["2001:db8::", "2001:db8::2"]),
        ])
    func ranges(text: String, inside: [String], outside: [String]) throws {
        let range = try #require(TrustedProxy(text))
        #expect(range.description == text)
        for (addresses, expected) in [(inside, true), (outside, false)] {
            for address in addresses {
                let peer = SocketAddress(try #require(IPAddress(address)), port: 1)
                #expect(range.contains(peer) == expected, "\(address)")
            }
        }
        #expect(!range.contains(.unix))
        #expect(TrustedProxy.unix.contains(.unix))
    }
}

extension StopTests {
    @Test("While a stop is delayed, clients are served, and the server isn't ready")
    func delayed() async throws {
        let bound = Reports<[BoundAddress]>()
        var router = Router.echo
        router.get("/readyz") { .text("\($0.isDraining)") }
        var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: 0))
        configuration.limits = .patient
        configuration.drain.delay = .seconds(600)
        let server = try Server(configuration: configuration, router: router, logger: .silent) {
            bound.add($0)
        }
        let running = Task { try await server.run() }
        let address = try await bound.next()[0]
        let early = try RawClient(to: address)
        try await early.upgrade("/ws")
        #expect(!server.isDraining)
        server.stop()
        try await within { while !server.isDraining { await Task.yield() } }
        let late = try RawClient(to: address)
        try await late.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(try await late.readResponse().body == "true")
        for client in [early, try RawClient(to: address)] {
            if client !== early { try await client.upgrade("/ws") }
            try await client.send(.text("still here"))
            #expect(try await client.readFrame() == .text("still here"))
        }
        running.cancel()
        try await within { try await running.value }
        #expect(server.ledger?.isZero == true)
    }

    @Test("A delayed stop begins after its delay")
    func afterDelay() async throws {
        let (client, start) = (Locked<RawClient?>(nil), Locked(ContinuousClock.now))
        let goodbye = Reports<ContinuousClock.Instant>()
        try await withServer(.echo) {
            $0.drain.delay = .milliseconds(200)
        } _: { server in
            let upgraded = try await server.upgraded()
            client.withLock { $0 = upgraded }
            Task {
                #expect(try await upgraded.readFrame() == .close(1012, "service restart"))
                goodbye.add(.now)
                try await upgraded.send(.close(1012))
                await upgraded.close()
            }
            start.withLock { $0 = .now }
        }
        #expect(start.value.duration(to: try await goodbye.next()) >= .milliseconds(200))
    }
}
