import Logging
import RealtimeApp
import WebSocketServer

/// The parts of the program that last as long as the server. It makes the others, which a reload
/// replaces.
struct Application: Sendable {
    let broker: any Broker
    let tasks: TaskStore?
    let addresses: [ListenAddress]
    let log: StandardErrorLog
    let logger: Logger

    /// Returns the features with these settings.
    func features(_ settings: Settings, _ authentication: Authentication) -> RealtimeApp {
        let server = settings.server
        return RealtimeApp(
            logger: logger, broker: broker, topics: server.topics, tasks: tasks,
            authentication: authentication, tools: settings.tools, version: Version.number,
            options: ConnectionConfiguration(
                limits: server.limits, heartbeat: server.heartbeat,
                compression: server.compression)
        ) {
            [routes = settings.routes] route, options in routes[route].adjust(&options)
        }
    }

    /// Returns the configuration of the public server with these settings.
    func configuration(_ settings: Settings, tls: TLSContext?) -> ServerConfiguration {
        var configuration = settings.server
        configuration.handlesSignals = true
        configuration.addresses = addresses
        configuration.measuresTurns = settings.admin.listen != nil
        configuration.accessLog = settings.log.accessOptions(log)
        configuration.tls = tls
        return configuration
    }
}
