import Foundation
import HTTPTypes
import Testing
import WebSocketServer
import LiveTesting

@testable import RealtimeApp

@Suite("What GET /about says") struct AboutTests {
    private struct Listing: Decodable {
        struct Route: Decodable {
            let method, path, kind: String
            let token: Bool
            let message_max, message_rate, byte_rate, body_max: Int?
            let compression: Bool?
        }

        let version: String?
        let routes: [Route]
    }

    private static func authentication(
        _ required: Set<AuthenticationOptions.Feature>
    ) async throws -> Authentication {
        var options = AuthenticationOptions()
        options.secret = String(repeating: "s", count: 32)
        options.requiredFor = required
        return try await Authentication(options, logger: .silent)
    }

    private static func listing(_ router: Router) async throws -> Listing {
        try await withServer(router) { server in
            let client = try RawClient(to: server.addresses[0])
            try await client.send("GET /about HTTP/1.1\r\nHost: a\r\n\r\n")
            let response = try await client.readResponse()
            #expect(response.head.hasPrefix("HTTP/1.1 200 "))
            return try JSONDecoder().decode(Listing.self, from: Data(response.body.utf8))
        }
    }

    @Test(
        "A token is said to be needed exactly where a request without one is answered 401",
        arguments: [[], Set(AuthenticationOptions.Feature.allCases), [.chat, .publish]])
    func tokens(required: Set<AuthenticationOptions.Feature>) async throws {
        try await withFolder { folder in
            let tasks = try await open(folder)
            defer { tasks.close() }
            let router = RealtimeApp(
                logger: .silent, broker: MemoryBroker(), tasks: tasks,
                authentication: try await Self.authentication(required), tools: true
            ).router()
            let listing = try await Self.listing(router)
            #expect(listing.routes.count == router.list.count)
            try await withServer(router) { server in
                for route in listing.routes { try await Self.check(route, server) }
            }
        }
    }

    /// Asks for a route without a token.
    private static func check(_ route: Listing.Route, _ server: LiveServer) async throws {
        let path = route.path.replacing("{client_id:int}", with: "1")
            .replacing("{topic}", with: "a").replacing("{channel}", with: "a")
        let client = try RawClient(to: server.addresses[0])
        try await client.send(
            "\(route.method) \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        let head = try await client.readHead()
        #expect(head.hasPrefix("HTTP/1.1 401 ") == route.token, "\(route.path)")
        #expect(
            head.hasPrefix("HTTP/1.1 426 ") == (route.kind == "websocket" && !route.token),
            "\(route.path)")
    }

    @Test("The limits are the server's, with what a route adjusts; what is unlimited is left out")
    func limits() async throws {
        var options = ConnectionConfiguration()
        options.limits.messageSizeMax = .kibibytes(7)
        options.limits.bodySizeMax = .kibibytes(9)
        options.compression.isEnabled = false
        let router = RealtimeApp(
            logger: .silent, broker: MemoryBroker(), version: "1.2.3", options: options
        ) { route, options in
            guard route == .chat else { return }
            options.limits.messageSizeMax = .bytes(100)
            options.limits.messageRateMax = 5
            options.limits.byteRateMax = .kibibytes(2)
            options.compression.isEnabled = true
        }.router()
        let listing = try await Self.listing(router)
        #expect(listing.version == "1.2.3")
        let echo = try #require(listing.routes.first { $0.path == "/ws" })
        #expect(echo.message_max == 7 << 10 && echo.compression == false)
        #expect(echo.message_rate == nil && echo.byte_rate == nil && echo.body_max == nil)
        let chat = try #require(listing.routes.first { $0.path == "/ws/{client_id:int}" })
        #expect(chat.message_max == 100 && chat.compression == true)
        #expect(chat.message_rate == 5 && chat.byte_rate == 2 << 10)
        let publish = try #require(listing.routes.first { $0.path == "/publish/{channel}" })
        #expect(publish.body_max == 9 << 10 && publish.method == "POST")
    }

    @Test("Without a version none is told, and routes that there are not aren't listed")
    func absent() async throws {
        let listing = try await Self.listing(
            RealtimeApp(logger: .silent, broker: MemoryBroker()).router())
        #expect(listing.version == nil)
        #expect(!listing.routes.contains { ["/tasks", "/echo"].contains($0.path) })
        #expect(listing.routes.contains { $0.path == "/about" && $0.kind == "http" })
    }
}
