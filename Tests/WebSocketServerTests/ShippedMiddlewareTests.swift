import HTTPTypes
import Logging
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Middleware of the library") struct ShippedMiddlewareTests {
    private static let origin: HTTPFields = [.origin: "https://app.example"]
    private static let policy = OriginPolicy(patterns: [.init("https://app.example")!])

    // MARK: - Logs

    @Test("The access log has a line for each request and upgrade, without the query")
    func log() async throws {
        let log = LogRecorder()
        var router = Router()
        router.add(middleware: LogRequests())
        router.add(middleware: RequestID())
        router.get("/page") { _ in .text("twelve bytes") }
        router.get("/stream") { _ in Response(stream: { nil }) }
        router.upgrade("/ws") { _ in .accept(Recorder()) }
        try await withServer(router, logger: log.logger) { server in
            let client = try server.raw()
            for path in ["/page?token=secret", "/nothing"] {
                try await client.send(
                    "GET \(path) HTTP/1.1\r\nHost: a\r\nX-Request-ID: r-1\r\n\r\n")
                #expect(try await client.readResponse().head.contains("X-Request-ID: r-1\r\n"))
            }
            try await client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await client.read(through: Array("0\r\n\r\n".utf8))
            try await client.upgrade("/ws")
            await client.close()
        }
        let lines = log.lines(with: "info request")
        #expect(lines.count == 4)
        #expect(!lines.contains { $0.contains("secret") })
        for (line, parts) in zip(
            lines,
            [
                ["/page", "GET", "200", "bytes\": 12", "r-1", "duration_ms", "127.0.0.1"],
                ["/nothing", "404", "r-1"], ["/stream", "streamed"], ["/ws", "101"],
            ])
        {
            for part in parts { #expect(line.contains(part), "\(part) in \(line)") }
        }
    }

    @Test(
        "A request's identifier is the client's if it is valid, and else a new one",
        arguments: [
            ("abc-_.:+/=09", true), (String(repeating: "x", count: 128), true), ("", false),
            (String(repeating: "x", count: 129), false), ("a b", false), ("a\"b", false),
            ("caf\u{E9}", false),
        ])
    func requestID(given: String, isKept: Bool) async throws {
        let request = Request.sample(.get, [RequestID.fieldName: given])
        let seen = Locked<String?>(nil)
        let response = try await RequestID().handle(request) { request in
            seen.withLock { $0 = request.values[RequestID.self] }
            return Response()
        }
        let id = try #require(response.headerFields[RequestID.fieldName])
        #expect(id == seen.value)
        #expect((id == given) == isKept)
        if !isKept { #expect(id.utf8.count == 32) }
        let other = try await RequestID().handle(.sample()) { _ in Response() }
        #expect(other.headerFields[RequestID.fieldName] != id)
    }

    // MARK: - Tokens

    private static let authentication = BearerAuthentication { token in
        if token == "busy" { throw Problem(.serviceUnavailable, "The directory is busy.") }
        await Task.yield()
        return token == "good" ? 7 : nil
    }

    @Test(
        "Only a request with one valid token passes",
        arguments: [
            (["Bearer good"], nil), (["bearer   good"], nil), (["BEARER good"], nil),
            ([], "Bearer"), (["Bearer bad"], #"Bearer error="invalid_token""#),
            (["Bearer"], #"Bearer error="invalid_token""#),
            (["Bearer "], #"Bearer error="invalid_token""#),
            (["Basic good"], #"Bearer error="invalid_token""#),
            (["Bearer good good"], #"Bearer error="invalid_token""#),
            (["Bearergood"], #"Bearer error="invalid_token""#),
            (["Bearer go\u{301}od"], #"Bearer error="invalid_token""#),
            (["Bearer good", "Bearer good"], #"Bearer error="invalid_token""#),
        ] as [([String], String?)])
    func bearer(given: [String], challenge: String?) async throws {
        var fields = HTTPFields()
        for value in given { fields.append(HTTPField(name: .authorization, value: value)) }
        let seen = Locked<Int?>(nil)
        do {
            _ = try await Self.authentication.handle(.sample(.get, fields)) { request in
                seen.withLock { $0 = request.values[BearerAuthentication<Int>.self] }
                return Response()
            }
            #expect(challenge == nil)
        } catch let problem as Problem {
            #expect(problem.status == .unauthorized)
            #expect(problem.headerFields[.wwwAuthenticate] == challenge)
        }
        #expect(seen.value == (challenge == nil ? 7 : nil))
    }

    @Test("A token's check waits before an upgrade, and its problems are answered")
    func bearerUpgrade() async throws {
        var router = Router()
        router.add(middleware: Self.authentication)
        router.upgrade("/ws") { request in
            .accept(Recorder(echoes: true))
        }
        try await withServer(router) { server in
            let client = try server.raw()
            for (field, status) in [("", 401), ("Authorization: Bearer busy\r\n", 503)] {
                for path in ["/ws", "/nothing"] {
                    try await client.send(RawClient.upgradeRequest(path, field))
                    let head = try await client.readResponse().head
                    #expect(head.hasPrefix("HTTP/1.1 \(status) "))
                    #expect(head.contains("WWW-Authenticate: Bearer\r\n") == (status == 401))
                }
            }
            // A preflight brings no token.
            try await client.send("OPTIONS /ws HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.readHead().hasPrefix("HTTP/1.1 204 "))
            try await client.upgrade("/ws", "Authorization: Bearer good\r\n")
            await client.close()
        }
    }

    // MARK: - Pages of other origins

    private static var crossOrigin: Router {
        var router = Router()
        router.add(middleware: CORS(allowing: policy))
        router.add(middleware: authentication)
        router.post("/thing") { _ in .text("posted") }
        router.upgrade("/ws") { _ in .accept(Recorder()) }
        return router
    }

    @Test("Pages of allowed origins get a preflight's answer, may post, and open WebSockets")
    func allowedPages() async throws {
        try await withServer(Self.crossOrigin) { server in
            let client = try server.raw()
            let origin = "Origin: https://app.example\r\nHost: localhost\r\n"
            try await client.send(
                "OPTIONS /thing HTTP/1.1\r\n\(origin)Access-Control-Request-Method: POST\r\n"
                    + "Access-Control-Request-Headers: authorization\r\n\r\n")
            let preflight = try await client.readHead()
            #expect(preflight.hasPrefix("HTTP/1.1 204 "))
            for field in [
                "Allow-Origin: https://app.example", "Allow-Methods: POST, OPTIONS",
                "Allow-Headers: authorization",
            ] {
                #expect(preflight.contains("Access-Control-\(field)\r\n"), "\(preflight)")
            }
            for (token, status) in [("bad", 401), ("good", 200)] {
                try await client.send(
                    "POST /thing HTTP/1.1\r\n\(origin)Content-Length: 0\r\n"
                        + "Authorization: Bearer \(token)\r\n\r\n")
                let head = try await client.readResponse().head
                #expect(head.hasPrefix("HTTP/1.1 \(status) "))
                #expect(head.contains("Access-Control-Allow-Origin: https://app.example\r\n"))
                #expect(head.contains("Vary: Origin\r\n"))
            }
            try await client.upgrade(
                "/ws", "Origin: https://app.example\r\nAuthorization: Bearer good\r\n")
            await client.close()
        }
    }

    @Test("Pages of other origins get nothing of that")
    func otherPages() async throws {
        try await withServer(Self.crossOrigin) { server in
            let client = try server.raw()
            let fields =
                "Origin: https://evil.example\r\nAuthorization: Bearer good\r\n"
                + "Access-Control-Request-Method: POST\r\nContent-Length: 0\r\n"
            for request in [
                "OPTIONS /thing HTTP/1.1\r\nHost: a\r\n\(fields)\r\n",
                "POST /thing HTTP/1.1\r\nHost: a\r\n\(fields)\r\n",
                RawClient.upgradeRequest("/ws", fields),
            ] {
                try await client.send(request)
                let head = try await client.readResponse().head
                #expect(head.hasPrefix("HTTP/1.1 403 "))
                #expect(!head.contains("Access-Control"))
            }
        }
    }
}
