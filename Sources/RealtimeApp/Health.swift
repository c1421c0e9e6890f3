import HTTPTypes
import WebSocketServer

/// The answer to `GET /readyz`: whether this server accepts traffic, and the reasons if it doesn't.
struct Readiness: Encodable {
    struct Broker: Encodable {
        let ready: Bool
        let state: String
        let gaps: Int
    }

    /// `ready` or `not ready`.
    let status: String
    /// The reasons, for people; empty if the server is ready.
    let faults: [String]
    let broker: Broker

    /// - Parameter tasksFault: The error of the tasks' database, if any.
    init(broker health: BrokerHealth, tasksFault: String?, isDraining: Bool) {
        var faults: [String] = []
        if isDraining { faults.append("the server is stopping") }
        if !health.isReady { faults.append("broker: \(health.description)") }
        if let tasksFault { faults.append("tasks.database: \(tasksFault)") }
        status = faults.isEmpty ? "ready" : "not ready"
        self.faults = faults
        broker = Broker(ready: health.isReady, state: health.description, gaps: health.gaps)
    }
}

extension RealtimeApp {
    /// Adds `GET /healthz`, which shows that the server is running, and `GET /readyz`.
    func addHealth(to router: inout Router) {
        router.get("/healthz") { _ in .json(#"{"status":"ok"}"#) }
        let (broker, tasks) = (self.broker, self.tasks)
        router.get("/readyz") { request in
            let readiness = Readiness(
                broker: broker.health, tasksFault: await tasks?.file.faultFound(),
                isDraining: request.isDraining)
            var response = Response.encoding(
                readiness, status: readiness.faults.isEmpty ? .ok : .serviceUnavailable)
            response.headerFields[.cacheControl] = "no-store"
            return response
        }
    }
}
