import HTTPTypes
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Errors in routes") struct RouteErrorTests {
    @Test(
        "A path that isn't a pattern is an error that says what to write",
        arguments: [
            ("", "begins with a slash"), ("users", "write \"/users\""),
            ("/a/", "segment is empty"), ("/a//b", "segment is empty"),
            ("/static/*", "{name...}"), ("/static/**", "{name...}"),
            ("/{path*}", "{path...}"), ("/{*path}", "{path...}"), ("/{path:path}", "{path...}"),
            ("/{path...}/x", "last segment"), ("/{a...}/{b...}", "last segment"),
            ("/{a}{b}", "whole segment"), ("/a{b}", "whole segment"), ("/{a}b", "whole segment"),
            ("/{a", "whole segment"), ("/a}", "whole segment"), ("/{", "whole segment"),
            ("/{}", "{name}"), ("/{...}", "{name...}"), ("/{a b}", "letters"),
            ("/{a:}", "text or int"), ("/{a:uuid}", "text or int"), ("/{a:int:int}", "text or int"),
            ("/{a}/{a}", "called a"), ("/:id", "{id}"), ("/<id>", "{id}"),
            ("/a?b=c", "query"), ("/a#b", "query"), ("/a%20b", "decoded"),
        ])
    func patterns(path: String, advice: String) throws {
        var router = Router()
        router.get(path) { _ in Response() }
        let error = #expect(throws: RouteErrors.self) { try router.validate() }
        let messages = try #require(error).messages
        #expect(messages.count == 1)
        #expect(messages[0].hasPrefix("\(path): ") && messages[0].contains(advice), "\(messages)")
    }

    @Test(
        "A pattern that is valid is none",
        arguments: [
            "/", "/a", "/a/b", "/{a}", "/{a:int}", "/{a:text}", "/{a...}", "/a/{b}/{c...}",
            "/.well-known/x", "/caf\u{E9}", "/a:b", "/{a-b_1}", "/a b",
        ])
    func valid(path: String) throws {
        var router = Router()
        router.get(path) { _ in Response() }
        try router.validate()
    }

    @Test("All errors are thrown at once when a server is made, repeated routes with both patterns")
    func all() throws {
        var router = Router()
        router.get("/a/{one}") { _ in Response() }
        router.post("/a/{one}") { _ in Response() }
        router.upgrade("/a/{one}") { _ in .refuse(.gone, "") }
        router.get("/a/{id:int}") { _ in Response() }
        router.get("/a/{rest...}") { _ in Response() }
        router.on(.get, "/a/{two}") { _ in Response() }
        router.webSocket("/a/{three}") { _ in }
        router.delete("/b/*") { _ in Response() }
        router.group("/c") { group in
            group.put("d") { _ in Response() }
            group.put("/e") { _ in Response() }
            group.group("f/") { $0.patch("/g") { _ in Response() } }
        }
        router.put("/c/e") { _ in Response() }
        let error = #expect(throws: RouteErrors.self) {
            try Server(configuration: ServerConfiguration(), router: router, logger: .silent)
        }
        let messages = try #require(error).messages
        #expect(messages.count == 7, "\(messages)")
        for parts in [
            ["/b/*"], ["d: a path begins"], ["group f/"], ["/cf//g"],
            ["GET /a/{two}", "GET /a/{one}"], ["WebSocket /a/{three}", "WebSocket /a/{one}"],
            ["PUT /c/e"],
        ] {
            #expect(
                messages.contains { message in parts.allSatisfy { message.contains($0) } },
                "\(parts) in \(messages)")
        }
    }

    @Test("A route for HEAD beside one for GET is no error, and answers HEAD, whichever is first")
    func head() async throws {
        for isFirst in [false, true] {
            var router = Router()
            if isFirst { router.on(.head, "/{a}") { _ in .text("head") } }
            router.get("/{a}") { _ in .text("get") }
            if !isFirst { router.on(.head, "/{a}") { _ in .text("head") } }
            try router.validate()
            for (method, body) in [(HTTPRequest.Method.head, "head"), (.get, "get")] {
                let answer = await router.table.answer(method, ["x"])
                #expect(answer == .routed(body, PathParameters(values: ["a": "x"])))
            }
        }
    }
}
