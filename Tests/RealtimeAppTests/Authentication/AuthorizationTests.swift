import HTTPTypes
import Logging
import Testing
import WebSocketServer
import LiveTesting

@testable import RealtimeApp

@Suite("Authorization")
struct AuthorizationTests {
    private static func authentication(
        _ change: (inout AuthenticationOptions) -> Void = { _ in }
    ) async throws -> Authentication {
        var options = AuthenticationOptions()
        options.secret = String(repeating: "s", count: 32)
        options.requiredFor = [.tasks]
        change(&options)
        return try await Authentication(options, logger: .silent)
    }

    /// Returns a router with a plain route for tasks, which require a token, and one for
    /// publishing.
    private static func router(_ authentication: Authentication) -> Router {
        var router = Router()
        router.post("/tasks") { request in
            let identity = try authentication.authorize(request, for: .tasks)
            return .text("for \(identity?.subject ?? "anyone")")
        }
        router.post("/publish") { request in
            let identity = try authentication.authorize(request, for: .publish)
            return .text("for \(identity?.subject ?? "anyone")")
        }
        return router
    }

    private static func post(
        _ target: String, _ field: String, to server: LiveServer
    ) async throws -> (head: String, body: String) {
        let client = try server.raw()
        try await client.send(
            "POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\(field)\r\n")
        return try await client.readResponse()
    }

    @Test("A plain request needs a token only if its feature requires one")
    func plain() async throws {
        let authentication = try await Self.authentication()
        let token = try #require(authentication.mint(subject: "ada"))
        try await withServer(Self.router(authentication)) { server in
            for (target, field, status, body) in [
                ("/tasks", "Authorization: Bearer \(token)\r\n", 200, "for ada"),
                ("/tasks", "authorization: BEARER  \(token)\r\n", 200, "for ada"),
                ("/tasks", "", 401, nil),
                ("/tasks", "Authorization: Bearer\r\n", 401, nil),
                ("/tasks", "Authorization: Bearer \(token)x\r\n", 401, nil),
                ("/tasks", "Authorization: Basic \(token)\r\n", 401, nil),
                ("/tasks?token=\(token)", "", 401, nil),
                ("/publish", "", 200, "for anyone"),
                ("/publish", "Authorization: Bearer x\r\n", 200, "for anyone"),
            ] as [(String, String, Int, String?)] {
                let response = try await Self.post(target, field, to: server)
                #expect(response.head.hasPrefix("HTTP/1.1 \(status) "), "\(target) \(field)")
                if let body { #expect(response.body == body) }
                guard status == 401 else { continue }
                let hasTried = field.contains("Bearer")
                let challenge = hasTried ? #"Bearer error="invalid_token""# : "Bearer"
                let lines = response.head.lowercased().split(separator: "\r\n")
                #expect(lines.contains("www-authenticate: \(challenge.lowercased())"))
                #expect(response.body.contains("A valid token is required."))
            }
        }
    }

    @Test("A token in the query counts only if that is enabled")
    func query() async throws {
        let authentication = try await Self.authentication { $0.acceptsQuery = true }
        let token = try #require(authentication.mint(subject: "ada"))
        try await withServer(Self.router(authentication)) { server in
            let response = try await Self.post("/tasks?a=b&token=\(token)", "", to: server)
            #expect(response.body == "for ada")
        }
    }

    @Test(
        "If no token is required, messages with new tokens are dropped nevertheless",
        arguments: [
            (["bearer", "x"], [:], "bearer"), (["bearer"], [:], "bearer"),
            ([], [.authorization: "Bearer x"], nil),
        ] as [([String], HTTPFields, String?)])
    func undemanded(subprotocols: [String], fields: HTTPFields, agreed: String?) async throws {
        let router = RealtimeApp(
            logger: .silent, broker: MemoryBroker(),
            authentication: try await Self.authentication()
        ).router()
        try await withServer(router) { server in
            try await withClient { client in
                let seven = try await client.connect(
                    to: server.url("/ws/7"), subprotocols: subprotocols, headerFields: fields)
                #expect(seven.subprotocol == agreed)
                try await seven.send(#"{"token":"a.b.c"}"#)
                try await seven.send(Message([UInt8](#"{"token":"bytes"}"#.utf8)))
                try await seven.send(#"{"token":"a","b":"c"}"#)
                #expect(
                    await seven.receive()
                        == Message([UInt8](#"Client 7: {"token":"bytes"}"#.utf8)))
                #expect(await seven.receive() == Message(#"Client 7: {"token":"a","b":"c"}"#))
                // A client without a token may send any message.
                let eight = try await client.connect(to: server.url("/ws/8"))
                try await eight.send(#"{"token":"x"}"#)
                #expect(await seven.receive() == Message(#"Client 8: {"token":"x"}"#))
                await seven.close()
                #expect(await eight.receive() == Message(#"Client 8: {"token":"x"}"#))
                #expect(await eight.receive() == Message("Client 7 left the chat"))
                await eight.close()
            }
        }
    }

    @Test("A feature that requires a token can't be served without keys")
    func withoutKeys() async throws {
        let fault = await #expect(throws: AuthenticationFault.self) {
            try await Self.authentication { $0.secret = nil }
        }
        #expect(fault?.key == "auth.required_for")
        let none = Authentication.none(logger: .silent)
        #expect(none.mint(subject: "ada") == nil)
        try await withServer(Self.router(none)) { server in
            let response = try await Self.post("/tasks", "", to: server)
            #expect(response.body == "for anyone")
        }
    }
}

extension LiveServer {
    fileprivate func raw() throws -> RawClient { try RawClient(to: addresses[0]) }
}
