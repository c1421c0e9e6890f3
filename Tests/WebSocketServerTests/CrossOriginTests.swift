import HTTPTypes
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Pages of other origins and plain HTTP")
struct CrossOriginTests {
    private static let page = "https://app.example"

    private static let router: Router = {
        var router = Router.echo
        router.get("/things") { _ in .text("all") }
        router.post("/things") { request in .text("posted \(request.body.count)") }
        router.get("/closed") { _ in
            throw Problem(
                .unauthorized, "a token is needed", headerFields: [.wwwAuthenticate: "Bearer"])
        }
        router.get("/varies") { _ in Response(headerFields: [.vary: "Accept"]) }
        router.get("/own") { _ in
            Response(headerFields: [.accessControlAllowOrigin: "https://own.example"])
        }
        router.get("/fails") { _ in throw Problem(.internalServerError, "no") }
        return router
    }()

    /// The header fields of a response by their lowercase names, each with a list of values.
    private struct Head {
        let status: Int
        let fields: [String: [String]]

        init(_ text: String) throws {
            let lines = text.split(separator: "\r\n")
            status = try #require(lines.first.flatMap { Int($0.split(separator: " ")[1]) })
            var fields: [String: [String]] = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ": ", maxSplits: 1).map(String.init)
                fields[parts[0].lowercased(), default: []].append(parts.count > 1 ? parts[1] : "")
            }
            self.fields = fields
        }

        subscript(name: String) -> String? { fields[name]?.joined(separator: ", ") }
        var isShared: Bool { fields.keys.contains { $0.hasPrefix("access-control-") } }
    }

    private static func listing(_ origins: [String], same: Bool = true) throws -> OriginPolicy {
        OriginPolicy(
            allowsSameOrigin: same,
            patterns: try origins.map { try #require(OriginPolicy.Pattern($0)) })
    }

    private static func ask(
        _ server: LiveServer, _ request: String, origin: String?, _ fields: String = "",
        body: String? = nil
    ) async throws -> Head {
        let client = try server.raw()
        let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
        let named = origin.map { "Origin: \($0)\r\n" } ?? ""
        try await client.send(
            "\(request) HTTP/1.1\r\nHost: api.example\r\n\(named)\(fields)\(length)\r\n"
                + (body ?? ""))
        return try Head(try await client.readHead())
    }

    @Test(
        "Every response allows the page of a listed origin to read it",
        arguments: [
            ("GET /things", 200), ("HEAD /things", 200), ("POST /things", 200),
            ("GET /closed", 401), ("GET /nothing", 404), ("PUT /things", 405), ("GET /ws", 426),
            ("GET /fails", 500), ("OPTIONS /things", 204), ("BREW /things", 501),
        ])
    func responses(request: String, status: Int) async throws {
        let policy = try Self.listing([Self.page])
        try await withServer(Self.router) {
            $0.origins = policy
        } _: { server in
            let body = request.hasPrefix("P") ? "abc" : nil
            let head = try await Self.ask(server, request, origin: Self.page, body: body)
            #expect(head.status == status)
            // The page is unknown if the head was refused before its origin.
            guard status != 501 else { return #expect(!head.isShared && head["vary"] == "Origin") }
            #expect(head["access-control-allow-origin"] == Self.page)
            #expect(head["access-control-expose-headers"] == "*")
            #expect(head["access-control-allow-credentials"] == nil)
            #expect(head["vary"] == "Origin")
        }
    }

    @Test("A page can read why its request was refused for its size")
    func refusedHeads() async throws {
        let policy = try Self.listing([Self.page])
        try await withServer(Self.router) {
            $0.origins = policy
            $0.limits.bodySizeMax = .bytes(10)
        } _: { server in
            for fields in ["Content-Length: 11\r\n", "Transfer-Encoding: chunked\r\n"] {
                let head = try await Self.ask(
                    server, "POST /things", origin: Self.page, fields + "\r\n11\r\n")
                #expect(head.status == 413)
                #expect(head["access-control-allow-origin"] == Self.page)
            }
        }
    }

    @Test("A preflight is answered with the resource's methods and the requested fields")
    func preflight() async throws {
        let policy = try Self.listing([Self.page, "null"])
        try await withServer(Self.router) {
            $0.origins = policy
        } _: { server in
            for origin in [Self.page, "null"] {
                let head = try await Self.ask(
                    server, "OPTIONS /things", origin: origin,
                    "Access-Control-Request-Method: POST\r\n"
                        + "Access-Control-Request-Headers: authorization,content-type, x-a\r\n")
                #expect(head.status == 204)
                #expect(head["access-control-allow-origin"] == origin)
                #expect(head["access-control-allow-methods"] == "GET, HEAD, POST, OPTIONS")
                #expect(head["access-control-allow-headers"] == "authorization, content-type, x-a")
                #expect(head["access-control-max-age"] == "600")
                #expect(head["access-control-allow-credentials"] == nil)
                #expect(head["vary"] == "Origin")
                #expect(head["content-length"] == nil)
            }
            let missing = try await Self.ask(
                server, "OPTIONS /nothing", origin: Self.page,
                "Access-Control-Request-Method: POST\r\n")
            #expect(missing.status == 404)
        }
    }

    @Test(
        "A page isn't allowed the fields of proxies, nor any of an invalid list",
        arguments: [
            ("x-forwarded-for, authorization", "authorization"), ("X-Forwarded-Proto", nil),
            ("Forwarded,x-real-ip,x-b", "x-b"), ("a b", nil), ("a, \"b\"", nil), ("é", nil),
            ("", nil), (",", nil),
        ] as [(String, String?)])
    func requestedFields(asked: String, allowed: String?) async throws {
        let policy = try Self.listing([Self.page])
        try await withServer(Self.router) {
            $0.origins = policy
        } _: { server in
            let head = try await Self.ask(
                server, "OPTIONS /things", origin: Self.page,
                "Access-Control-Request-Method: POST\r\n"
                    + "Access-Control-Request-Headers: \(asked)\r\n")
            #expect(head.status == 204)
            #expect(head["access-control-allow-headers"] == allowed)
        }
    }

    @Test(
        "Pages of other origins receive no permission",
        arguments: [
            nil, "https://api.example", "https://evil.example", "https://app.example.evil.example",
            "null", "https://app.example, https://evil.example", "https://app.example:8443", "",
            "https://app.example\u{301}",
        ])
    func others(origin: String?) async throws {
        let policy = try Self.listing([Self.page])
        let isOwn = origin == nil || origin == "https://api.example"
        try await withServer(Self.router) {
            $0.origins = policy
        } _: { server in
            for (request, status) in [
                ("GET /things", 200), ("POST /things", isOwn ? 200 : 403), ("GET /nothing", 404),
                ("OPTIONS /things", isOwn ? 204 : 403),
            ] {
                let preflight =
                    request.hasPrefix("OPTIONS") ? "Access-Control-Request-Method: POST\r\n" : ""
                let body = request.hasPrefix("POST") ? "" : nil
                let head = try await Self.ask(
                    server, request, origin: origin, preflight, body: body)
                #expect(head.status == status, "\(request) \(origin ?? "none")")
                #expect(!head.isShared, "\(head.fields)")
                // Caches must know that the response to another page differs.
                #expect(head["vary"] == "Origin")
            }
        }
    }

    @Test("If only the server's own pages are allowed, no response has these fields")
    func sameOriginOnly() async throws {
        try await withServer(Self.router) { server in
            for origin in [nil, Self.page, "http://api.example"] {
                let head = try await Self.ask(
                    server, "GET /things", origin: origin,
                    "Access-Control-Request-Method: POST\r\n")
                #expect(head.status == 200 && !head.isShared && head["vary"] == nil)
            }
        }
    }

    @Test("If all pages are allowed, every response is for all")
    func any() async throws {
        try await withServer(Self.router) {
            $0.origins = .any
        } _: { server in
            for origin in [nil, Self.page, "null", "anything at all"] {
                let head = try await Self.ask(server, "GET /closed", origin: origin)
                #expect(head.status == 401)
                #expect(head["access-control-allow-origin"] == "*")
                #expect(head["access-control-expose-headers"] == "*")
                #expect(head["vary"] == nil)
                let preflight = try await Self.ask(
                    server, "OPTIONS /things", origin: origin,
                    "Access-Control-Request-Method: POST\r\n"
                        + "Access-Control-Request-Headers: authorization\r\n")
                #expect(preflight.status == 204)
                #expect(
                    preflight["access-control-allow-headers"]
                        == (origin == nil ? nil : "authorization"))
            }
        }
    }

    @Test("The permission for one page doesn't apply to the next request on the connection")
    func keptAlive() async throws {
        let policy = try Self.listing([Self.page])
        try await withServer(Self.router) {
            $0.origins = policy
        } _: { server in
            let client = try server.raw()
            func head(_ fields: String) async throws -> Head {
                try await client.send("HEAD /things HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
                return try Head(try await client.readHead())
            }
            for _ in 0..<2 {
                #expect(try await head("Origin: \(Self.page)\r\n").isShared)
                #expect(try await !head("").isShared)
                #expect(try await !head("Origin: https://evil.example\r\n").isShared)
            }
            #expect(try await head("Origin: \(Self.page)\r\n").isShared)
            // Invalid before the origin.
            try await client.send("GET /things HTTP/1.1\r\nbroken\r\n\r\n")
            let broken = try Head(try await client.readHead())
            #expect(broken.status == 400 && !broken.isShared)
        }
    }

    @Test("The fields of a handler are kept")
    func handlersOwn() async throws {
        let policy = try Self.listing([Self.page])
        try await withServer(Self.router) {
            $0.origins = policy
        } _: { server in
            let varies = try await Self.ask(server, "GET /varies", origin: Self.page)
            #expect(varies["vary"] == "Accept, Origin")
            let own = try await Self.ask(server, "GET /own", origin: Self.page)
            #expect(own["access-control-allow-origin"] == "https://own.example")
        }
    }
}
