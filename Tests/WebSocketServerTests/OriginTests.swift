import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Origins")
struct OriginTests {
    @Test(
        "Same-origin means the host and port of the request",
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
            ("ws://example.com", "example.com", true),
            ("wss://example.com", "example.com", true),
            ("WSS://Example.com", "example.com", true),
            ("ws://example.com:80", "example.com", true),
            ("wss://example.com:443", "example.com", true),
            ("ws://example.com", "example.com:80", true),
            ("wss://example.com", "example.com:443", true),
            ("ws://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("wss://[::1]:8080", "[::1]:8080", true),
            ("ws://example.com", "example.com:443", false),
            ("wss://example.com", "example.com:80", false),
            ("wss://example.com:80", "example.com", false),
            ("wsx://example.com", "example.com", false),
            ("ws://", "", false),
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
        "A pattern is one origin, or all hosts below one",
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
            ("https://a.example", "wss://a.example", true),
            ("https://a.example", "ws://a.example", false),
            ("http://a.example", "ws://a.example:80", true),
            ("wss://a.example:443", "https://a.example", true),
            ("wss://*.example.com", "wss://a.example.com", true),
            ("https://*.example.com", "https://.example.com", true),
            ("https://*.example.com", "https://example.com.", false),
            ("null", "null", true),
            ("null", "NULL", false),
            ("null", "null://", false),
            ("null", "https://null", false),
            ("null", "file://", false),
            ("file://", "file://", true),
            ("file://", "FILE://", true),
            ("file://", "null", false),
            ("file://", "file:///", false),
            ("file://", "file://host", false),
            ("file://", "app://", false),
            ("app://", "app://", true),
            ("capacitor://localhost", "capacitor://localhost", true),
            ("capacitor://localhost", "ionic://localhost", false),
            ("ionic://localhost", "ionic://localhost:80", false),
            ("chrome-extension://abcdef", "chrome-extension://abcdef", true),
            ("chrome-extension://abcdef", "chrome-extension://abcdeg", false),
            ("app://.", "app://.", true),
            ("app://-", "app://-", true),
            ("tauri://localhost", "tauri://localhost", true),
            ("vscode-webview://0123-4567", "vscode-webview://0123-4567", true),
        ])
    func listed(_ pattern: String, _ origin: String, _ isAllowed: Bool) throws {
        let policy = OriginPolicy(patterns: [try #require(OriginPolicy.Pattern(pattern))])
        #expect(policy.allows(origin, to: "example.com") == isAllowed)
    }

    @Test(
        "The description of a pattern equals its text",
        arguments: [
            ("https://a.example", nil), ("https://A.example:443", "https://a.example"),
            ("http://localhost:5173", nil), ("https://*.example.com:8443", nil), ("null", nil),
            ("file://", nil), ("capacitor://localhost", nil), ("app://.", nil),
            ("wss://a.example", "https://a.example"), ("ws://*.a:80", "http://*.a"),
        ] as [(String, String?)])
    func written(_ text: String, _ other: String?) throws {
        let pattern = try #require(OriginPolicy.Pattern(text))
        #expect(pattern.description == other ?? text)
        #expect(OriginPolicy.Pattern(pattern.description) == pattern)
    }

    @Test(
        "An origin that isn't ASCII, or is a list, matches nothing",
        arguments: [
            "https://é.example", "https://e\u{301}.example", "http\u{17F}://a.example",
            "https://a.example\u{301}", "https://\u{212A}.example", "null null", "null,null",
            "https://a.example https://a.example", "https://a.example,null", " null",
            "https://k.exa",
        ])
    func unreadable(_ origin: String) throws {
        let patterns = try ["https://a.example", "https://k.example", "null"].map {
            try #require(OriginPolicy.Pattern($0))
        }
        let policy = OriginPolicy(allowsSameOrigin: true, patterns: patterns)
        #expect(!policy.allows(origin, to: "a.example"))
        #expect(policy.access(for: origin) == .withheld)
    }

    @Test("A long sequence of combining marks in an origin or a host takes no noticeable time")
    func combiningMarks() async throws {
        let marks = String(repeating: "\u{300}\u{316}", count: 30_000)
        let policy = OriginPolicy(
            allowsSameOrigin: true,
            patterns: [try #require(OriginPolicy.Pattern("https://*.example.com"))])
        let clock = ContinuousClock()
        let taken = clock.measure {
            for origin in ["https://a\(marks)", "a\(marks)://a", "null\(marks)", marks] {
                #expect(!policy.allows(origin, to: "a\(marks)"))
                #expect(policy.access(for: origin) == .withheld)
            }
            #expect(!policy.allows("https://a", to: "a\(marks)"))
        }
        // Its normalization takes several seconds.
        #expect(taken < .seconds(1))
    }

    @Test(
        "A text that isn't an origin isn't a pattern",
        arguments: [
            "", "example.com", "https://", "https://a/", "https://a/b", "https://*", "https://a.*",
            "https://*.*.a", "https://a:x", "https://a:65536", "*://a", "://a", "https://a b",
            "wss://", "https://:443", "file:///", "file://:1", "app://*.", "*.null", "NULL",
            "null/",
            "https:a", "1a://b", "a_b://c", "https://é.example", "https://a,b",
        ])
    func faulty(_ text: String) { #expect(OriginPolicy.Pattern(text) == nil) }

    @Test("Upgrades and changing requests need an allowed origin, others don't")
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
