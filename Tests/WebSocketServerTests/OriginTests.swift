import Testing
import WebSocketTesting

@testable import WebSocketServer

@Suite("Origins")
struct OriginTests {
    @Test(
        "same-origin is the host and port that the request is for",
        arguments: [
            ("http://example.com", "example.com", true),
            ("https://example.com", "example.com", true),
            ("HTTPS://Example.COM", "eXample.com", true),
            ("http://example.com:80", "example.com", true),
            ("https://example.com:443", "example.com", true),
            ("https://example.com", "example.com:443", true),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://[::1]", "[::1]", true),
            ("http://example.com", "example.com:443", false),
            ("https://example.com", "example.com:80", false),
            ("http://example.com:8080", "example.com", false),
            ("http://example.com", "example.com:8080", false),
            ("http://127.0.0.1:8080", "127.0.0.1:8081", false),
            ("http://127.0.0.1:8080", "localhost:8080", false),
            ("http://sub.example.com", "example.com", false),
            ("http://example.com.evil.test", "example.com", false),
            ("http://evil.test/example.com", "example.com", false),
            ("http://evil.test@example.com", "example.com", false),
            ("http://example.com@evil.test", "example.com", false),
            ("http://example.com, http://evil.test", "example.com", false),
            ("ftp://example.com", "example.com", false),
            ("file://", "example.com", false),
            ("null", "example.com", false),
            ("", "example.com", false),
            ("http://", "", false),
        ])
    func same(_ origin: String, _ authority: String, _ isAllowed: Bool) {
        #expect(OriginPolicy.sameOrigin.allows(origin, to: authority) == isAllowed)
        #expect(OriginPolicy.any.allows(origin, to: authority))
        #expect(!OriginPolicy().allows(origin, to: authority))
        #expect(!OriginPolicy.sameOrigin.allows(origin, to: nil))
    }

    @Test(
        "a pattern is one origin, or all hosts below one",
        arguments: [
            ("https://app.example.com", "https://app.example.com", true),
            ("https://app.example.com", "https://APP.example.com:443", true),
            ("https://app.example.com", "http://app.example.com", false),
            ("https://app.example.com", "https://app.example.com:8443", false),
            ("https://app.example.com", "https://example.com", false),
            ("http://localhost:5173", "http://localhost:5173", true),
            ("http://localhost:5173", "http://localhost:5174", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://badexample.com", false),
            ("https://*.example.com", "https://a.example.com.evil.test", false),
            ("https://*.example.com", "http://a.example.com", false),
            ("app://page", "app://page", true),
            ("app://page", "app://other", false),
        ])
    func listed(_ pattern: String, _ origin: String, _ isAllowed: Bool) throws {
        let policy = OriginPolicy(patterns: [try #require(OriginPolicy.Pattern(pattern))])
        #expect(policy.allows(origin, to: "example.com") == isAllowed)
    }

    @Test(
        "what is no origin is no pattern",
        arguments: [
            "", "example.com", "https://", "https://a/", "https://a/b", "https://*", "https://a.*",
            "https://*.*.a", "https://a:x", "https://a:65536", "*://a", "://a", "https://a b",
        ])
    func faulty(_ text: String) { #expect(OriginPolicy.Pattern(text) == nil) }

    @Test("upgrades and requests that change something need an allowed origin, others don't")
    func requests() async throws {
        var router = Router.echo
        router.get("/thing") { _ in .text("got") }
        router.post("/thing") { _ in .text("posted") }
        router.on(.delete, "/thing") { _ in .text("deleted") }
        try await withServer(router) { server in
            for (origin, isAllowed) in [
                (nil, true), ("http://a.test", true), ("http://evil.test", false), ("null", false),
            ] as [(String?, Bool)] {
                for (method, path, status) in [
                    ("GET", "/thing", 200), ("POST", "/thing", isAllowed ? 200 : 403),
                    ("DELETE", "/thing", isAllowed ? 200 : 403),
                    ("GET", "/ws", isAllowed ? 101 : 403), ("POST", "/nothing", 404),
                ] {
                    let client = try server.raw()
                    let upgrade =
                        path == "/ws"
                        ? "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
                            + "\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n" : ""
                    let field = origin.map { "Origin: \($0)\r\n" } ?? ""
                    try await client.send(
                        "\(method) \(path) HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n"
                            + "\(field)\(upgrade)\r\n")
                    let head = try await client.readHead()
                    #expect(
                        head.hasPrefix("HTTP/1.1 \(status) "),
                        "\(method) \(path) \(origin ?? "none"): \(head)")
                }
            }
        }
    }
}
