import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Parsed queries") struct QueryTests {
    private static let router: Router = {
        var router = Router()
        router.get("/items") { request in
            .text(request.queryItems.map { "\($0.name)→\($0.value)" }.joined(separator: "|"))
        }
        router.get("/named") { request in
            let all = request.queryValues(named: "a").map(\.string).joined(separator: ",")
            return .text("\(request.query(named: "a")?.string ?? "none") [\(all)]")
        }
        router.upgrade("/upgrade") { request in
            let all = request.queryValues(named: "a").map(\.string).joined(separator: ",")
            return .refuse(
                .forbidden,
                "\(request.query(named: "a")?.string ?? "none") [\(all)] \(request.queryItems.count)"
            )
        }
        return router
    }()

    private static func body(_ target: String) async throws -> String {
        try await withServer(router) { server in
            let client = try server.raw()
            try await client.send("GET \(target) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let all = String(decoding: try await client.readToEnd(), as: UTF8.self)
            let end = try #require(all.firstRange(of: "\r\n\r\n"))
            return String(all[end.upperBound...])
        }
    }

    @Test(
        "Items are in order, repeated names included, and decoded",
        arguments: [
            ("", ""), ("?", ""), ("?a", "a→"), ("?a=", "a→"), ("?a=1&a=2&b=3", "a→1|a→2|b→3"),
            ("?a=x+y%20z", "a→x y z"), ("?a+b=1", "a b→1"), ("?a=50%", "a→50%"),
            ("?a=%zz%4", "a→%zz%4"), ("?a=b=c", "a→b=c"), ("?&&a=1&", "a→1"), ("?=x", "→x"),
            ("?%C3%A4=%E2%82%AC", "ä→€"), ("?a=%26%3D", "a→&="), ("?a=%FF&%FE=1", "a→�|�→1"),
            ("?a=1?b=2", "a→1?b=2"),
        ])
    func items(_ query: String, _ expected: String) async throws {
        #expect(try await Self.body("/items\(query)") == expected)
    }

    @Test(
        "The first value of a name, and all of them",
        arguments: [
            ("", "none []"), ("?b=1", "none []"), ("?a", " []"), ("?a=1&b=2&a=3", "1 [1,3]"),
            ("?%61=1", "1 [1]"),
        ])
    func named(_ query: String, _ expected: String) async throws {
        #expect(try await Self.body("/named\(query)") == expected)
    }

    @Test("Requests for an upgrade have the same")
    func upgrade() async throws {
        let body = try await Self.body("/upgrade?a=1&b=2&a=x%20y")
        #expect(body.contains("\"detail\":\"1 [1,x y] 3\""))
    }
}
