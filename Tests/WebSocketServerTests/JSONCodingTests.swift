import Foundation
import Testing
import LiveTesting

@testable import WebSocketServer

/// The coders of Foundation, as applications pass them.
@Suite("JSON in requests and responses") struct JSONCodingTests {
    struct Item: Codable, Sendable, Equatable {
        var id: Int
        var name: String
        var tags: [Tag]?
    }

    struct Tag: Codable, Sendable, Equatable { var label: String }

    private static let router: Router = {
        var router = Router()
        router.post("/items") { request in
            let item = try request.decode(Item.self, using: JSONDecoder().decode)
            return try Response.json(item, status: .created, using: JSONEncoder().encode)
        }
        router.post("/many") { request in
            let items = try request.decode([Item].self, using: JSONDecoder().decode)
            return try Response.json(["count": items.count], using: JSONEncoder().encode)
        }
        router.post("/bytes") { request in
            let count = try request.decode(Int.self) { (_, bytes: [UInt8]) in
                if bytes.isEmpty { throw Problem(.conflict, "own") }
                return bytes.count
            }
            return Response.json(count) { [UInt8]("\($0)".utf8) }
        }
        return router
    }()

    private static func post(
        _ path: String, _ body: String, type: String? = "application/json", more: String = ""
    ) async throws -> String {
        try await withServer(router) { server in
            let client = try server.raw()
            let field = type.map { "Content-Type: \($0)\r\n" } ?? ""
            try await client.send(
                "POST \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(field)\(more)"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            return String(decoding: try await client.readToEnd(), as: UTF8.self)
        }
    }

    @Test(
        "A body is decoded, and a value encoded",
        arguments: [
            "application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json",
        ])
    func roundTrip(_ type: String) async throws {
        let all = try await Self.post("/items", #"{"id":7,"name":"ä"}"#, type: type)
        #expect(all.hasPrefix("HTTP/1.1 201"))
        #expect(all.contains("Content-Type: application/json\r\n"))
        let end = try #require(all.firstRange(of: "\r\n\r\n"))
        let item = try JSONDecoder().decode(Item.self, from: Data(all[end.upperBound...].utf8))
        #expect(item == Item(id: 7, name: "ä"))
    }

    @Test(
        "Another media type is refused with 415",
        arguments: [
            nil, "", "text/plain", "application/x-www-form-urlencoded", "json", "text/json",
        ])
    func otherTypes(_ type: String?) async throws {
        let all = try await Self.post("/items", #"{"id":7,"name":"a"}"#, type: type)
        #expect(all.hasPrefix("HTTP/1.1 415"))
        #expect(all.contains("Accept: application/json\r\n"))
    }

    @Test("So is a compressed body")
    func compressed() async throws {
        let all = try await Self.post("/items", "{}", more: "Content-Encoding: gzip\r\n")
        #expect(all.hasPrefix("HTTP/1.1 415") && all.contains("Accept-Encoding: identity\r\n"))
    }

    @Test(
        "Broken JSON is refused with 400",
        arguments: ["", "{", "{\"id\":7", "nonsense", "[1,]x", #"{"id":1.5,"name":"a"}"#])
    func broken(_ body: String) async throws {
        #expect(try await Self.post("/items", body).hasPrefix("HTTP/1.1 400"))
    }

    @Test(
        "A value of another form is refused with 422 and its place",
        arguments: [
            ("/items", #"{"name":"a"}"#, "id: The member is missing."),
            ("/items", #"{"id":"x","name":"a"}"#, "id: "),
            ("/items", #"{"id":1,"name":null}"#, "name: "),
            ("/items", #"{"id":1,"name":"a","tags":[{"label":"b"},{}]}"#, "tags[1].label: "),
            ("/items", "[]", "The body: "),
            ("/many", #"[{"id":1,"name":"a"},{"id":2}]"#, "[1].name: The member is missing."),
        ])
    func wrongForm(_ path: String, _ body: String, _ detail: String) async throws {
        let all = try await Self.post(path, body)
        #expect(all.hasPrefix("HTTP/1.1 422"))
        #expect(all.contains("\"detail\":\"\(detail)"))
    }

    @Test("What the client wrote is shown in part only")
    func shortened() async throws {
        let name = String(repeating: "x", count: 10_000)
        let all = try await Self.post("/items", #"{"id":"\#(name)","name":"a"}"#)
        #expect(all.hasPrefix("HTTP/1.1 422") && all.utf8.count < 1_500)
    }

    @Test("Coders may be any closures, and throw problems of their own")
    func closures() async throws {
        #expect(try await Self.post("/bytes", "abc").hasSuffix("\r\n\r\n3"))
        #expect(try await Self.post("/bytes", "").hasPrefix("HTTP/1.1 409"))
    }
}
