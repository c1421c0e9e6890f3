import Foundation
import Testing

@testable import WebSocketServer

@Suite("Documents of routes") struct DescriptionTests {
    /// Returns the value at a path of members and indices in an encoded document.
    private static func value(
        _ document: APIDocument, _ path: (any Sendable)...
    ) throws -> Any? {
        part(try JSONSerialization.jsonObject(with: JSONEncoder().encode(document)), path)
    }

    private static func part(_ value: Any?, _ path: [any Sendable]) -> Any? {
        var value = value
        for part in path {
            if let name = part as? String { value = (value as? [String: Any])?[name] }
            if let index = part as? Int { value = (value as? [Any])?[index] }
        }
        return value
    }

    private static func names(_ value: Any?) -> Set<String> {
        Set((value as? [String: Any] ?? [:]).keys)
    }

    private static func router() -> Router {
        var router = Router()
        router.get("/") { _ in .text("page") }
        router.group("/notes") { notes in
            notes.post(
                "/{id:int}",
                description: RouteDescription(
                    "Stores a note", details: "It is kept.", tag: "Notes",
                    parameters: [
                        RouteParameter("id", in: .path, "The number."),
                        RouteParameter("draft", schema: .boolean(), isRequired: true),
                    ],
                    body: [.json(.object(["text": .string(count: 1...9)])), .text],
                    responses: [RouteResponse(201, "Stored")], requiresToken: true)
            ) { _ in .text("") }
            notes.get("/{name}/{rest...}") { _ in .text("") }
        }
        router.upgrade(
            "/rooms/{room}",
            description: WebSocketDescription(
                "A room", parameters: [RouteParameter("since", schema: .integer())],
                receives: [MessageDescription("line", "A line.")],
                sends: [MessageDescription("line", content: .json(.any))], requiresToken: true)
        ) { _ in .accept { _ in } }
        router.webSocket("/plain") { _ in }
        return router
    }

    @Test("OpenAPI has every request, its parameters, bodies and responses")
    func requests() throws {
        let document = Self.router().openAPI(title: "Notes", version: "1.2", details: "All.")
        #expect(try Self.value(document, "openapi") as? String == "3.1.0")
        #expect(try Self.value(document, "info", "title") as? String == "Notes")
        #expect(try Self.value(document, "info", "version") as? String == "1.2")
        #expect(try Self.value(document, "info", "description") as? String == "All.")
        let paths = Self.names(try Self.value(document, "paths"))
        #expect(paths == ["/", "/notes/{id}", "/notes/{name}/{rest}"])

        let operation = try Self.value(document, "paths", "/notes/{id}", "post")
        func stored(_ path: (any Sendable)...) throws -> Any? { Self.part(operation, path) }
        #expect(try stored("operationId") as? String == "post_notes_id")
        #expect(try stored("summary") as? String == "Stores a note")
        #expect(try stored("tags", 0) as? String == "Notes")
        #expect(try stored("parameters", 0, "name") as? String == "id")
        #expect(try stored("parameters", 0, "in") as? String == "path")
        #expect(try stored("parameters", 0, "required") as? Bool == true)
        #expect(try stored("parameters", 1, "in") as? String == "query")
        #expect(try stored("parameters", 1, "schema", "type") as? String == "boolean")
        #expect(try stored("requestBody", "required") as? Bool == true)
        #expect(
            Self.names(try stored("requestBody", "content")) == ["application/json", "text/plain"])
        #expect(
            Self.names(try stored("responses"))
                == ["201", "400", "401", "403", "413", "422", "503", "default"])
        #expect(Self.names(try stored("security", 0)) == ["bearer"])
        // A route without a description has what is known of it.
        let plain = try Self.value(document, "paths", "/", "get", "responses")
        #expect(Self.names(plain) == ["400", "503", "default"])
    }

    @Test("AsyncAPI has every WebSocket, its messages and its directions")
    func webSockets() throws {
        let document = Self.router().asyncAPI(title: "Notes", version: "1.2")
        #expect(try Self.value(document, "asyncapi") as? String == "3.0.0")
        #expect(Self.names(try Self.value(document, "info")) == ["title", "version"])
        #expect(
            Self.names(try Self.value(document, "channels")) == ["rooms_room", "plain"])
        #expect(
            Self.names(try Self.value(document, "operations"))
                == ["receive_rooms_room", "send_rooms_room"])
        let channel = try Self.value(document, "channels", "rooms_room") as? [String: Any]
        #expect(channel?["address"] as? String == "/rooms/{room}")
        #expect(Self.names(channel?["messages"]) == ["receive_line", "send_line"])
        #expect(Self.names(channel?["parameters"]) == ["room"])
        let query = try Self.value(
            document, "channels", "rooms_room", "bindings", "ws", "query", "properties")
        #expect(Self.names(query) == ["since"])
        let reference = try Self.value(
            document, "operations", "send_rooms_room", "messages", 0, "$ref")
        #expect(reference as? String == "#/channels/rooms_room/messages/send_line")
    }

    @Test("Paths that differ in the names of parameters alone are one path")
    func namesakes() throws {
        var router = Router()
        router.get("/users/{id:int}") { _ in .text("") }
        router.get("/users/{name}") { _ in .text("") }
        router.delete("/users/{user}") { _ in .text("") }
        let document = router.openAPI(title: "a", version: "1")
        #expect(Self.names(try Self.value(document, "paths")) == ["/users/{id}"])
        let operations = try Self.value(document, "paths", "/users/{id}")
        #expect(Self.names(operations) == ["get", "delete"])
        for (method, type) in [("get", "integer"), ("delete", "string")] {
            let parameter = try Self.value(
                document, "paths", "/users/{id}", method, "parameters", 0)
            #expect((parameter as? [String: Any])?["name"] as? String == "id")
            let schema = (parameter as? [String: Any])?["schema"] as? [String: Any]
            #expect(schema?["type"] as? String == type)
        }
    }

    @Test("Names of operations and channels are unique, and have no other characters than they may")
    func names() throws {
        var router = Router()
        for path in ["/a/b", "/a.b", "/a/{b}", "/ä", "/"] { router.get(path) { _ in .text("") } }
        for path in ["/a/b", "/a.b", "/a/{b}"] { router.webSocket(path) { _ in } }
        router.on(.init("PURGE")!, "/a/b") { _ in .text("") }
        let paths = try Self.value(router.openAPI(title: "a", version: "1"), "paths")
        let operations = (paths as? [String: [String: [String: Any]]] ?? [:]).values
            .flatMap { $0.values }
        let identifiers = operations.compactMap { $0["operationId"] as? String }
        #expect(
            Set(identifiers)
                == ["get_a_b", "get_a_b_2", "get_a_b_3", "get__", "get_root"])
        let channels = try Self.value(router.asyncAPI(title: "a", version: "1"), "channels")
        #expect(Self.names(channels) == ["a_b", "a_b_2", "a_b_3"])
    }

    @Test(
        "Schemas are what JSON Schema has for them",
        arguments: [
            (JSONSchema.any, "{}"),
            (
                .string("A.", count: 1...3),
                #"{"description":"A.","maxLength":3,"minLength":1,"type":"string"}"#
            ),
            (.string(count: 0 ... .max, format: "date"), #"{"format":"date","type":"string"}"#),
            (.string(values: ["a", "b"]), #"{"enum":["a","b"],"type":"string"}"#),
            (.integer(in: -1...1), #"{"maximum":1,"minimum":-1,"type":"integer"}"#),
            (.number(), #"{"type":"number"}"#),
            (.boolean(), #"{"type":"boolean"}"#),
            (.array(of: .boolean()), #"{"items":{"type":"boolean"},"type":"array"}"#),
            (.number().orNull, #"{"anyOf":[{"type":"number"},{"type":"null"}]}"#),
            (
                .object(["b": .any, "a": .any, "c": .any], optional: ["c"]),
                #"{"properties":{"a":{},"b":{},"c":{}},"required":["a","b"],"type":"object"}"#
            ),
        ])
    func schemas(_ schema: JSONSchema, _ text: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let encoded = try encoder.encode(APIDocument(.object(schema.members)))
        #expect(String(decoding: encoded, as: UTF8.self) == text)
    }
}
