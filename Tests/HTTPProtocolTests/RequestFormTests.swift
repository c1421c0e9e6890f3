import HTTPProtocol
import HTTPTypes
import Testing

@Suite("Valid requests")
struct RequestFormTests {
    private func head(_ text: String) throws -> RequestHead {
        let steps = requestSteps(text)
        try #require(steps.count == 2 && steps.last == .end, "\(steps)")
        return try #require(steps.heads.first)
    }

    @Test("A simple request has all its parts")
    func plain() throws {
        let head = try head(
            "GET /a/b%20c?x=1&y=%2F HTTP/1.1\r\nHost: example.org:8080\r\nAccept:*/*\r\n"
                + "X-Empty:\r\nX-Two: 1\r\nx-two: \t 2 \t\r\n\r\n")
        #expect(head.request.method == .get)
        #expect(head.request.scheme == nil)
        #expect(head.request.authority == "example.org:8080")
        #expect(head.request.path == "/a/b%20c?x=1&y=%2F")
        #expect(head.pathSegments == ["a", "b c"])
        #expect(head.query == "x=1&y=%2F")
        #expect(head.keepAlive && !head.isHTTP10 && !head.expectsContinue)
        #expect(head.bodyFraming == .none)
        let fields = head.request.headerFields
        #expect(fields.map(\.name.canonicalName) == ["accept", "x-empty", "x-two", "x-two"])
        #expect(fields.map(\.value) == ["*/*", "", "1", "2"])
    }

    @Test(
        "Every registered method is accepted",
        arguments: ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
    func methods(method: String) throws {
        let head = try head("\(method) / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head.request.method.rawValue == method)
        #expect(head.bodyFraming == .none)
    }

    @Test(
        "A path is split and decoded",
        arguments: [
            ("/", []), ("/a", ["a"]), ("/a/", ["a", ""]), ("//", ["", ""]),
            ("/a//b", ["a", "", "b"]),
            ("/a%2Fb/c", ["a/b", "c"]), ("/%41%7a", ["Az"]), ("/%C3%A9", ["é"]), ("/..", [".."]),
            ("/%2e%2E/x", ["..", "x"]),
            ("/a;p=1,2:@!$&'()*+=~-._", nil),
            ("/[1]|2", ["[1]|2"]), ("/%25", ["%"]), ("/%0D", ["\r"]),
        ] as [(String, [String]?)])
    func paths(path: String, segments: [String]?) throws {
        let head = try head("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head.request.path == path)
        #expect(head.pathSegments.map(\.string) == segments ?? [String(path.dropFirst())])
        #expect(head.query == nil)
    }

    @Test(
        "A query is kept unchanged, even with a percent sign that encodes nothing",
        arguments: [
            "", "a", "a?b/c", "%00%ff", "a|b^c`{d}\\[e]", "x=1&x=2+3;4", "x=50%", "%", "a=%1",
            "%0g", "%%41", "x=%&y=1",
        ])
    func queries(query: String) throws {
        let head = try head("GET /p?\(query) HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head.query?.string == query)
        #expect(head.pathSegments == ["p"])
        #expect(head.request.path == "/p?\(query)")
    }

    @Test(
        "The absolute-form contains the scheme, the authority and the path",
        arguments: [
            ("GET", "http://h.org/x?y", "http", "h.org", "/x?y", ["x"]),
            ("GET", "HTTPS://h.org:1", "https", "h.org:1", "/", []),
            ("GET", "http://h.org?q", "http", "h.org", "/?q", []),
            ("GET", "http://h.org/", "http", "h.org", "/", []),
            ("OPTIONS", "http://h.org", "http", "h.org", "*", []),
            ("GET", "http://[::1]:80/a/b", "http", "[::1]:80", "/a/b", ["a", "b"]),
        ])
    func absolute(
        method: String, target: String, scheme: String, authority: String, path: String,
        segments: [String]
    ) throws {
        let head = try head("\(method) \(target) HTTP/1.1\r\nHost: other\r\n\r\n")
        #expect(head.request.scheme == scheme)
        #expect(head.request.authority == authority)
        #expect(head.request.path == path)
        #expect(head.pathSegments.map(\.string) == segments)
    }

    @Test("OPTIONS may refer to the server as a whole")
    func asterisk() throws {
        let head = try head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head.request.path == "*")
        #expect(head.pathSegments.isEmpty)
    }

    @Test(
        "A valid Host becomes the authority",
        arguments: [
            "a", "", "A.b-c_d~e", "127.0.0.1:80", "[::1]", "[fe80::1]:65535", "[v1.x:y]", "h:",
            "%C3%A9.org", ":80",
        ])
    func hosts(host: String) throws {
        let head = try head("GET / HTTP/1.1\r\nHost:\(host)\r\n\r\n")
        #expect(head.request.authority == host)
        #expect(head.request.headerFields.isEmpty)
    }

    @Test(
        "The version and the connection options determine whether the connection is kept",
        arguments: [
            ("1.1", nil, true), ("1.1", "close", false), ("1.1", "Keep-Alive", true),
            ("1.1", "upgrade, CLOSE", false), ("1.1", "keep-alive, close", false),
            ("1.1", "closed", true), ("1.0", nil, false), ("1.0", "keep-alive", true),
            ("1.0", "x ,\tKeep-Alive", true), ("1.0", "keep-alive, close", false),
        ] as [(String, String?, Bool)])
    func keepAlive(version: String, option: String?, isKept: Bool) throws {
        let line = option.map { "Connection: \($0)\r\n" } ?? ""
        let head = try head("GET / HTTP/\(version)\r\nHost: a\r\n\(line)\r\n")
        #expect(head.keepAlive == isKept)
        #expect(head.isHTTP10 == (version == "1.0"))
    }

    @Test("HTTP/1.0 needs no Host")
    func http10WithoutHost() throws {
        let head = try head("GET / HTTP/1.0\r\n\r\n")
        #expect(head.request.authority == nil)
    }

    @Test("One empty line may precede a request, also between pipelined requests")
    func leadingEmptyLine() {
        let steps = requestSteps("\r\n" + get() + "\r\n" + get())
        #expect(steps.heads.count == 2 && steps.ends == 2)
    }

    @Test("Bytes outside ASCII in a value are kept")
    func obsText() throws {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [0xFF, 0xE9] + "\r\n\r\n".utf8
        let steps = requestSteps(bytes)
        let field = try #require(steps.heads.first?.request.headerFields.first)
        #expect(field.withUnsafeBytesOfValue { Array($0) } == [0xFF, 0xE9])
    }

    @Test("A parser is idle only between requests")
    func idle() {
        var parser = RequestParser(limits: HTTPLimits())
        let first = Array(get().utf8)
        let second = Array(chunked("1\r\na\r\n0\r\n\r\n").utf8)
        var idle = [parser.isIdle]
        for byte in first + second {
            var input = [byte]
            var event = RequestEvent.end
            while event != .needMore {
                let step = input.withUnsafeBytes { parser.parse($0) }
                event = step.event
                input.removeFirst(step.consumed)
            }
            idle.append(parser.isIdle)
        }
        #expect(idle.indices.filter { idle[$0] } == [0, first.count, first.count + second.count])
    }
}
