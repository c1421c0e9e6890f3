import HTTPTypes
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite struct RouterTests {
    private static let router: Router = {
        var router = Router()
        let recorder = Recorder()
        router.webSocket("/ws") { _ in .accept(recorder) }
        router.webSocket("/ws/{id:int}") { request in
            guard request.parameters.integer("id") != 13 else { throw Problem(.forbidden, "no 13") }
            return .accept(recorder)
        }
        router.get("/") { _ in .text("root") }
        router.get("/items/{name}") { .text("text \($0.parameters["name"] ?? "")") }
        router.get("/items/{id:int}") { .text("int \($0.parameters.integer("id"))") }
        router.get("/items/all") { _ in .text("literal") }
        router.post("/items/all") { .text("posted \($0.body.count)") }
        router.get("/both") { _ in .text("page") }
        router.webSocket("/both") { _ in .accept(recorder) }
        router.post("/inbox") { _ in .text("taken") }
        router.webSocket("/inbox") { _ in .accept(recorder) }
        router.on(.options, "/own") { _ in .text("own") }
        router.get("/fails") { _ in throw DeadlineError() }
        return router
    }()

    struct DeadlineError: Error {}

    @Test(
        "The most specific route answers, whatever the order of the routes",
        arguments: [
            ("GET", "/", 200, "root"),
            ("GET", "/items/all", 200, "literal"),
            ("GET", "/items/42", 200, "int 42"),
            ("GET", "/items/-7", 200, "int -7"),
            ("GET", "/items/%34%32", 200, "int 42"),
            ("GET", "/items/one", 200, "text one"),
            ("GET", "/items/a%2Fb", 200, "text a/b"),
            ("GET", "/both", 200, "page"),
            ("POST", "/items/all", 200, "posted 0"),
            ("GET", "/fails", 500, nil),
            ("GET", "/nothing", 404, nil),
            ("GET", "/items", 404, nil),
            ("GET", "/items/", 404, nil),
            ("GET", "/items/a/b", 404, nil),
            ("POST", "/", 405, nil),
            ("DELETE", "/items/all", 405, nil),
            ("POST", "/ws", 405, nil),
            ("GET", "/ws", 426, nil),
            ("HEAD", "/ws", 426, nil),
            ("HEAD", "/ws/7", 426, nil),
            ("HEAD", "/ws/x", 422, nil),
            ("HEAD", "/both", 200, nil),
            ("HEAD", "/items/all", 200, nil),
            ("GET", "/inbox", 426, nil),
            ("HEAD", "/inbox", 426, nil),
            ("POST", "/inbox", 200, "taken"),
            ("DELETE", "/inbox", 405, nil),
            ("OPTIONS", "/nothing", 404, nil),
            ("OPTIONS", "/own", 200, "own"),
            ("GET", "/ws/x", 422, nil),
            ("GET", "/ws/+1", 422, nil),
            ("GET", "/ws/99999999999999999999", 422, nil),
        ] as [(String, String, Int, String?)])
    func plain(method: String, path: String, status: Int, body: String?) async throws {
        try await withServer(Self.router) { server in
            let client = try server.raw()
            let length = method == "POST" ? "Content-Length: 0\r\n" : ""
            try await client.send("\(method) \(path) HTTP/1.1\r\nHost: a\r\n\(length)\r\n")
            if method == "HEAD" {
                let head = try await client.readHead()
                #expect(head.hasPrefix("HTTP/1.1 \(status) "))
                // The connection is still usable, so no content was taken for the next response.
                try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await client.readResponse().body == "root")
                return
            }
            let response = try await client.readResponse()
            #expect(response.head.hasPrefix("HTTP/1.1 \(status) "))
            if let body { #expect(response.body == body) }
            if status >= 400 {
                #expect(response.head.lowercased().contains("application/problem+json"))
            }
        }
    }

    @Test(
        "An upgrade is answered by its route, or refused with a status",
        arguments: [
            ("/ws", 101), ("/ws/7", 101), ("/both", 101), ("/ws/13", 403), ("/ws/x", 422),
            ("/nothing", 404),
        ])
    func upgrades(path: String, status: Int) async throws {
        try await withServer(Self.router) { server in
            let client = try server.raw()
            try await client.send(RawClient.upgradeRequest(path))
            #expect(try await client.readHead().hasPrefix("HTTP/1.1 \(status) "))
        }
    }

    @Test("A path with an empty segment is a programming error")
    func emptySegments() async {
        await #expect(processExitsWith: .failure) { _ = PathPattern("/a/") }
        await #expect(processExitsWith: .failure) { _ = PathPattern("/a//b") }
        await #expect(processExitsWith: .success) { _ = [PathPattern("/"), PathPattern("/a/b")] }
    }

    @Test(
        "A request that isn't a GET opens no WebSocket, whatever it requests",
        arguments: [
            ("HEAD", "/ws", 426), ("HEAD", "/both", 200), ("POST", "/ws", 405),
            ("POST", "/inbox", 200), ("OPTIONS", "/ws", 204),
        ])
    func upgradesByOthers(method: String, path: String, status: Int) async throws {
        try await withServer(Self.router) { server in
            let client = try server.raw()
            let request = RawClient.upgradeRequest(path, "Content-Length: 0\r\n")
            try await client.send(method + request.dropFirst(3))
            #expect(try await client.readHead().hasPrefix("HTTP/1.1 \(status) "))
        }
    }

    @Test(
        "OPTIONS names the methods of a resource, 405 the same, and * those of all resources",
        arguments: [
            ("/", "GET, HEAD, OPTIONS"), ("/items/all", "POST, GET, HEAD, OPTIONS"),
            ("/items/one", "GET, HEAD, OPTIONS"), ("/ws", "GET, HEAD, OPTIONS"),
            ("/both", "GET, HEAD, OPTIONS"), ("/inbox", "GET, HEAD, POST, OPTIONS"),
            ("*", "GET, HEAD, OPTIONS, POST"),
        ])
    func options(path: String, methods: String) async throws {
        @Sendable func allow(_ head: String) -> Set<Substring> {
            let line = head.split(separator: "\r\n").first { $0.hasPrefix("Allow: ") }
            let names = line.map { $0.dropFirst("Allow: ".count).split(separator: ", ") } ?? []
            #expect(Set(names).count == names.count, "each once: \(names)")
            return Set(names)
        }
        try await withServer(Self.router) { server in
            let client = try server.raw()
            let expected = Set(methods.split(separator: ", "))
            try await client.send("OPTIONS \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = try await client.readHead()
            #expect(head.hasPrefix("HTTP/1.1 204 "))
            #expect(allow(head) == expected)
            #expect(!head.contains("Access-Control"))
            if path == "*" { return }
            try await client.send("PATCH \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
            let refusal = try await client.readResponse().head
            #expect(refusal.hasPrefix("HTTP/1.1 405 "))
            #expect(allow(refusal) == expected)
        }
    }

    @Test("405 names the allowed methods, 426 the version")
    func fields() async throws {
        try await withServer(Self.router) { server in
            let client = try server.raw()
            try await client.send("DELETE /items/all HTTP/1.1\r\nHost: a\r\n\r\n")
            let first = try await client.readResponse().head
            for method in ["GET", "HEAD", "POST"] { #expect(first.contains(method)) }
            try await client.send("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n")
            let second = try await client.readResponse().head.lowercased()
            #expect(second.contains("sec-websocket-version: 13"))
            #expect(second.contains("upgrade: websocket"))
        }
    }

    @Test("Requests are answered in order on one connection, however they are split")
    func pipelining() async throws {
        try await withServer(Self.router) { server in
            let requests = (0..<50).map { "GET /items/\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }
                .joined()
            for size in [1, 7, 100, requests.utf8.count] {
                let client = try server.raw()
                let bytes = Array(requests.utf8)
                let bodies = try await client.steps { client in
                    for start in stride(from: 0, to: bytes.count, by: size) {
                        try client.send(Array(bytes[start...].prefix(size)))
                    }
                    return try (0..<50).map { _ in try client.readResponse().body }
                }
                #expect(bodies == (0..<50).map { "int \($0)" })
                try await client.send(
                    "POST /items/all HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                        + "Connection: close\r\n\r\nabc")
                let last = try await client.readToEnd()
                #expect(String(decoding: last, as: UTF8.self).hasSuffix("posted 3"))
            }
        }
    }
}
