import AppInput
import HTTPTypes
import Logging
import WebSocketServer

/// The routes of tasks: POST stores a task and publishes a notification to the topic `tasks`; GET
/// lists the tasks.
struct TaskRoutes: Sendable {
    let store: TaskStore
    let broker: any Broker
    private let unannounced: LogThrottle

    init(store: TaskStore, broker: any Broker, logger: Logger) {
        self.store = store
        self.broker = broker
        unannounced = LogThrottle("a new task was not announced", logger: logger)
    }

    func create(_ request: Request) async throws -> Response {
        let task: NewTask
        switch NewTask.read(request.body, as: request.mediaType) {
        case .success(let valid): task = valid
        case .failure(let faults): return .unprocessable(faults.all)
        }
        do {
            try await store.add(task) { announce(task) }
        } catch {
            throw Problem(error, id: task.id)
        }
        return .json(#"{"message":"Task created successfully"}"#)
    }

    func list(_ request: Request) async throws -> Response {
        switch TaskPage.read(query: request.query) {
        case .failure(let faults): return .unprocessable(faults.all)
        case .success(let page):
            do {
                let listing = try await store.list(page)
                let fields: HTTPFields = [.contentType: "application/json"]
                if let whole = await listing.takeWhole() {
                    return Response(headerFields: fields, body: whole)
                }
                return Response(headerFields: fields, stream: { try await listing.next() })
            } catch {
                throw Problem(
                    .serviceUnavailable, "The tasks can't be read: \(error).",
                    headerFields: [.retryAfter: "1"])
            }
        }
    }

    /// Publishes the notification of a new task. The task is stored even if that fails.
    private func announce(_ task: NewTask) {
        let notice = Publication(
            "New task created: \(task.title)", to: NotificationStream.topic("tasks"))
        broker.publish(notice) { [unannounced] error in
            guard let error else { return }
            unannounced.log(["task": "\(task.id)", "error": "\(error)"])
        }
    }
}

extension Problem {
    /// Creates the response for a task that wasn't stored.
    fileprivate init(_ error: TaskStoreError, id: Int64) {
        switch error {
        case .duplicate: self.init(.conflict, "There is a task with id \(id) already.")
        default:
            self.init(
                .serviceUnavailable, "The task was not stored: \(error).",
                headerFields: [.retryAfter: "1"])
        }
    }
}

extension RealtimeApp {
    /// Adds `POST /tasks` and `GET /tasks` if there is a store.
    func addTasks(to router: inout Router) {
        guard let tasks else { return }
        let routes = TaskRoutes(store: tasks, broker: broker, logger: logger)
        let authentication = self.authentication
        let needsToken = authentication.demandsToken(.tasks)
        router.post("/tasks", description: .createTask(requiresToken: needsToken)) { request in
            try authentication.authorize(request, for: .tasks)
            return try await routes.create(request)
        }
        router.get("/tasks", description: .listTasks(requiresToken: needsToken)) { request in
            try authentication.authorize(request, for: .tasks)
            return try await routes.list(request)
        }
    }
}
