// REST with JSON beside a WebSocket: changes by HTTP are published to the WebSocket's clients.
//
//     swift run example-rest [PORT]
//     apus connect ws://127.0.0.1:8080/changes
//     curl http://127.0.0.1:8080/api/tasks --json '{"title": "Count the swifts"}'
import Foundation
import WebSocketServer

struct NewTask: Codable {
    var title: String
    var isDone: Bool?
}

struct TodoTask: Codable {
    let id: Int
    var title: String
    var isDone: Bool
}

/// A change, as clients of the WebSocket see it.
struct Change: Codable {
    enum Kind: String, Codable { case added, changed, removed }

    let kind: Kind
    let task: TodoTask
}

/// The tasks, which several requests may use at the same time.
actor Tasks {
    private var tasks: [Int: TodoTask] = [:]
    private var lastID = 0

    func all(done: Bool?) -> [TodoTask] {
        tasks.values.filter { done == nil || $0.isDone == done }.sorted { $0.id < $1.id }
    }

    func task(_ id: Int) -> TodoTask? { tasks[id] }

    func add(_ new: NewTask) -> TodoTask {
        lastID += 1
        return replace(lastID, by: new)
    }

    func change(_ id: Int, to new: NewTask) -> TodoTask? {
        tasks[id] == nil ? nil : replace(id, by: new)
    }

    func remove(_ id: Int) -> TodoTask? { tasks.removeValue(forKey: id) }

    private func replace(_ id: Int, by new: NewTask) -> TodoTask {
        let task = TodoTask(id: id, title: new.title, isDone: new.isDone ?? false)
        tasks[id] = task
        return task
    }
}

/// Returns the task that a request wants to store, or throws: a body that isn't JSON is answered
/// with 400 or 415, and one without a title, or with a wrong type, with 422.
@Sendable func newTask(in request: Request) throws -> NewTask {
    let task = try request.decode(NewTask.self, using: JSONDecoder().decode)
    guard !task.title.isEmpty else { throw Problem(.unprocessableContent, "title: it is empty") }
    return task
}

@Sendable func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    try Response.json(value, status: status, using: JSONEncoder().encode)
}

/// Publishes a change to all clients of `/changes`.
@Sendable func publish(_ kind: Change.Kind, _ task: TodoTask, _ request: Request) async throws {
    try await request.publish(
        Change(kind: kind, task: task), to: "changes", using: JSONEncoder().encode)
}

let noTask = Problem(.notFound, "There is no such task.")
let tasks = Tasks()

var router = Router()
router.add(middleware: LogRequests())
router.group("/api/tasks") { api in
    // GET /api/tasks?done=true
    api.get("/") { request in
        let done = request.query(named: "done").map { $0 == "true" }
        return try json(await tasks.all(done: done))
    }
    api.post("/") { request in
        let task = await tasks.add(try newTask(in: request))
        try await publish(.added, task, request)
        var response = try json(task, status: .created)
        response.headerFields[.location] = "/api/tasks/\(task.id)"
        return response
    }
    // An {id:int} that isn't an integer is answered with 422.
    api.get("/{id:int}") { request in
        guard let task = await tasks.task(request.parameters.integer("id")) else { throw noTask }
        return try json(task)
    }
    api.put("/{id:int}") { request in
        let new = try newTask(in: request)
        guard let task = await tasks.change(request.parameters.integer("id"), to: new) else {
            throw noTask
        }
        try await publish(.changed, task, request)
        return try json(task)
    }
    api.delete("/{id:int}") { request in
        guard let task = await tasks.remove(request.parameters.integer("id")) else { throw noTask }
        try await publish(.removed, task, request)
        return Response(status: .noContent)
    }
}
router.webSocket("/changes") { client in
    client.subscribe(to: "changes")
    // Nothing is expected from the client; the loop ends with the connection.
    for try await _ in client.messages {}
}

let port = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 8080 : 8080
var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: port))
configuration.handlesSignals = true
try await Server(configuration: configuration, router: router).run()
