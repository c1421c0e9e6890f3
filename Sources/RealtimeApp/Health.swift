import HTTPTypes
public import WebSocketServer

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

    /// - Parameters:
    ///   - tasksFault: The error of the tasks' database, if any.
    ///   - serverFault: The reason why the server takes no traffic, if any.
    init(broker health: BrokerHealth, tasksFault: String?, serverFault: String?) {
        var faults: [String] = []
        if let serverFault { faults.append(serverFault) }
        if !health.isReady { faults.append("broker: \(health.description)") }
        if let tasksFault { faults.append("tasks.database: \(tasksFault)") }
        status = faults.isEmpty ? "ready" : "not ready"
        self.faults = faults
        broker = Broker(ready: health.isReady, state: health.description, gaps: health.gaps)
    }
}

extension RealtimeApp {
    /// The reason of a server that is stopping or drained, for people.
    public static let drainingFault = "the server is stopping or drained"

    /// The reason of a server that refuses new connections for its load, for people.
    public static let overloadFault = "the server is overloaded and refuses new connections"

    /// Adds `GET /healthz`, which shows that the server is running, and `GET /readyz`.
    ///
    /// - Parameter serverFault: Returns the reason why the server takes no traffic, if any.
    public func addHealth(
        to router: inout Router, serverFault: @escaping @Sendable (Request) -> String?
    ) {
        router.serveAlways("/healthz")
        router.serveAlways("/readyz")
        router.get("/healthz", description: .liveness) { _ in .json(#"{"status":"ok"}"#) }
        let (broker, tasks) = (self.broker, self.tasks)
        router.get("/readyz", description: .readiness) { request in
            let readiness = Readiness(
                broker: broker.health, tasksFault: await tasks?.file.faultFound(),
                serverFault: serverFault(request))
            var response = Response.encoding(
                readiness, status: readiness.faults.isEmpty ? .ok : .serviceUnavailable)
            response.headerFields[.cacheControl] = "no-store"
            return response
        }
    }
}
