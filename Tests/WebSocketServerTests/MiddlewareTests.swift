import HTTPTypes
import Logging
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite struct MiddlewareTests {
    /// Notes when a request comes and when its response goes.
    private struct Note: Middleware {
        let name: String
        let notes: Locked<[String]>

        func handle(
            _ request: Request, next: (Request) async throws -> Response
        ) async throws -> Response {
            notes.withLock { $0.append(name) }
            // Whether it waits makes no difference.
            await Task.yield()
            var response = try await next(request)
            notes.withLock { $0.append("-\(name)") }
            response.headerFields.append(HTTPField(name: .init("X-Note")!, value: name))
            return response
        }
    }

    /// Answers in the route's place.
    private struct Instead: Middleware {
        let response: Response
        var asksRoute = false

        func handle(
            _ request: Request, next: (Request) async throws -> Response
        ) async throws -> Response {
            if asksRoute { _ = try await next(request) }
            return response
        }
    }

    private struct Failing: Middleware {
        let error: any Error
        func handle(
            _ request: Request, next: (Request) async throws -> Response
        ) async throws -> Response { throw error }
    }

    private enum Seat: RequestValueKey { typealias Value = Int }

    private struct Seating: Middleware {
        func handle(
            _ request: Request, next: (Request) async throws -> Response
        ) async throws -> Response {
            var request = request
            request.values[Seat.self] = (request.values[Seat.self] ?? 0) + 1
            request.head.headerFields[.from] = "somewhere"
            return try await next(request)
        }
    }

    @Test("Middleware runs from the outermost to the innermost and back, in any split into groups")
    func order() async throws {
        for count in 0...4 {
            // The first of these are the router's, the next the group's, the others the inner
            // group's.
            for first in 0...count {
                for second in first...count {
                    let notes = Locked<[String]>([])
                    let all = (0..<count).map { Note(name: "\($0)", notes: notes) }
                    var router = Router()
                    if first > 0 { router.add(middleware: all[0]) }
                    router.group("/a", middleware: Array(all[first..<second])) { outer in
                        outer.group {
                            for one in all[second...] { $0.add(middleware: one) }
                            $0.get("/b") { _ in .text("served") }
                            $0.upgrade("/ws") { _ in .accept(Recorder()) }
                        }
                    }
                    // Routes get middleware that is added after them, too.
                    for one in all[..<first].dropFirst() { router.add(middleware: one) }
                    let there = (0..<count).map { "\($0)" }
                    let back = there.reversed().map { "-\($0)" }
                    guard
                        case .respond(let respond, _, _, let hasMiddleware) =
                            router.table.find(.get, ["a", "b"], isUpgrade: false)
                    else { throw DeadlineError() }
                    #expect(hasMiddleware == (count > 0))
                    let response = try await respond(.sample())
                    #expect(notes.value == there + back)
                    #expect(
                        response.headerFields[values: .init("X-Note")!] == there.reversed())
                    guard
                        case .webSocket(let upgrade, _) =
                            router.table.find(.get, ["a", "ws"], isUpgrade: true)
                    else { throw DeadlineError() }
                    #expect((upgrade.middleware == nil) == (count == 0))
                    #expect((router.table.unmatched == nil) == (first == 0))
                }
            }
        }
    }

    private struct DeadlineError: Error {}

    @Test(
        "The outermost middleware is around everything that a request gets",
        arguments: [
            ("GET", "/in", 200), ("GET", "/nothing", 404), ("POST", "/in", 405),
            ("OPTIONS", "/in", 204), ("GET", "/number/x", 422), ("GET", "/ws", 426),
            ("GET", "/fails", 500), ("HEAD", "/nothing", 404),
        ])
    func everything(method: String, path: String, status: Int) async throws {
        let notes = Locked<[String]>([])
        var router = Router()
        router.add(middleware: Note(name: "outer", notes: notes))
        router.group("/", middleware: [Note(name: "inner", notes: notes)]) { group in
            group.get("/in") { _ in .text("served") }
            group.get("/number/{n:int}") { _ in .text("served") }
            group.get("/fails") { _ in throw DeadlineError() }
            group.upgrade("/ws") { _ in .accept(Recorder()) }
        }
        try await withServer(router) { server in
            let client = try server.raw()
            let length = method == "POST" ? "Content-Length: 0\r\n" : ""
            for _ in 0..<2 {
                try await client.send("\(method) \(path) HTTP/1.1\r\nHost: a\r\n\(length)\r\n")
                let head =
                    if method == "HEAD" || status == 204 { try await client.readHead() } else {
                        try await client.readResponse().head
                    }
                #expect(head.hasPrefix("HTTP/1.1 \(status) "))
                #expect(head.contains("X-Note: outer\r\n"))
                let isMatched = ["/in", "/ws", "/fails"].contains(path) && method == "GET"
                #expect(head.contains("X-Note: inner\r\n") == isMatched)
            }
        }
    }

    @Test("A request whose content nobody reads ends its connection, with middleware as without")
    func unreadContent() async throws {
        var router = Router()
        router.add(middleware: Seating())
        try await withServer(router) { server in
            let client = try server.raw()
            try await client.send(
                "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n"
                    + "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
            let all = String(decoding: try await client.readToEnd(), as: UTF8.self)
            #expect(all.hasPrefix("HTTP/1.1 404 ") && all.contains("Connection: close"))
            #expect(all.ranges(of: "HTTP/1.1 404").count == 1)
        }
    }

    @Test("Header fields of middleware go into the 101, but not those of the handshake")
    func upgrade() async throws {
        var router = Router()
        let notes = Locked<[String]>([])
        router.add(middleware: Note(name: "outer", notes: notes))
        router.upgrade("/ws") { _ in
            .accept(
                Recorder(echoes: true),
                headerFields: [
                    .setCookie: "a=b", .secWebSocketAccept: "wrong", .contentLength: "7",
                    .init("X-Note")!: "route",
                ])
        }
        try await withServer(router) { server in
            let client = try server.raw()
            let head = try await client.upgrade("/ws")
            #expect(head.contains("Set-Cookie: a=b\r\n"))
            #expect(head.contains("X-Note: route\r\n") && head.contains("X-Note: outer\r\n"))
            #expect(!head.contains("wrong") && !head.contains("Content-Length"))
            try await client.send(.text("still"))
            #expect(try await client.readFrame() == .text("still"))
            await client.close()
        }
        #expect(notes.value == ["outer", "-outer"])
    }

    @Test("Middleware may refuse an upgrade, before or after the route; it can't accept one alone")
    func refusing() async throws {
        let recorder = Recorder()
        let refusal = Response(status: .init(code: 402), body: [UInt8]("pay".utf8))
        let switching = Response(status: .switchingProtocols)
        for (middleware, status) in [
            (Instead(response: refusal), 402), (Instead(response: refusal, asksRoute: true), 402),
            (Instead(response: switching), 500),
            (Instead(response: switching, asksRoute: true), 101),
            (Instead(response: Response(status: .continue)), 500),
        ] as [(any Middleware, Int)] {
            var router = Router()
            router.group("/", middleware: [middleware]) {
                $0.upgrade("/ws") { _ in .accept(recorder) }
            }
            try await withServer(router) { server in
                let client = try server.raw()
                try await client.send(RawClient.upgradeRequest("/ws"))
                if status == 101 {
                    #expect(try await client.readHead().hasPrefix("HTTP/1.1 101 "))
                } else {
                    let response = try await client.readResponse()
                    #expect(response.head.hasPrefix("HTTP/1.1 \(status) "))
                    #expect(status != 402 || response.body == "pay")
                }
                await client.close()
            }
        }
        #expect(recorder.connections.all.count == 1)
    }

    @Test("A thrown Problem becomes the response; outer middleware sees it, as other errors too")
    func errors() async throws {
        for (error, status) in [(Problem(.conflict, "no"), 409), (DeadlineError(), 500)]
            as [(any Error, Int)]
        {
            let notes = Locked<[String]>([])
            var router = Router()
            router.add(middleware: Note(name: "outer", notes: notes))
            router.add(middleware: Failing(error: error))
            router.get("/") { _ in .text("served") }
            router.upgrade("/ws") { _ in .accept(Recorder()) }
            try await withServer(router) { server in
                let client = try server.raw()
                for request in [
                    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", RawClient.upgradeRequest("/ws"),
                ] {
                    try await client.send(request)
                    let head = try await client.readResponse().head
                    #expect(head.hasPrefix("HTTP/1.1 \(status) "))
                    #expect(head.contains("X-Note: outer\r\n"))
                }
            }
        }
    }

    @Test("An interim status of a route or of middleware is answered 500: more would be awaited")
    func interim() async throws {
        var router = Router()
        router.get("/route") { _ in Response(status: .switchingProtocols) }
        router.group("/", middleware: [Instead(response: Response(status: .continue))]) {
            $0.get("/group") { _ in .text("served") }
        }
        try await withServer(router) { server in
            let client = try server.raw()
            for path in ["/route", "/group"] {
                try await client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 500 "))
            }
        }
    }

    @Test("Values and changed header fields reach routes and decisions")
    func values() async throws {
        let seats = Reports<String>()
        var router = Router()
        router.add(middleware: Seating())
        router.group("/", middleware: [Seating()]) { group in
            group.get("/") { request in
                seats.add("\(request.values[Seat.self] ?? 0) \(request.head.headerFields[.from]!)")
                return Response()
            }
            group.upgrade("/ws") { request in
                seats.add("\(request.values[Seat.self] ?? 0) \(request.head.headerFields[.from]!)")
                return .accept { connection in
                    seats.add("\(connection.request.values[Seat.self] ?? 0) in")
                }
            }
        }
        try await withServer(router) { server in
            let client = try server.raw()
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await client.readResponse()
            try await client.upgrade("/ws")
            #expect(try await client.readFrame().closeCode == .normalClosure)
            await client.close()
        }
        #expect(seats.all == ["2 somewhere", "2 somewhere", "2 in"])
    }
}
