import ArgumentParser
import Foundation
import Logging
import RealtimeApp
import RedisBroker
import ServiceLifecycle
import WebSocketServer

/// Serves with `settings` until a signal or a failure stops it.
///
/// Prints `listening on URL` to standard output for each listener once it accepts; logs go to
/// standard error.
///
/// - Throws: what kept it from starting, or stopped it; exit status 78 for a database that can't be
///   used.
func serve(settings: Settings) async throws {
    var logger = Logger(label: "apus", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = settings.logLevel
    var configuration = settings.server
    configuration.handlesSignals = true
    let broker = makeBroker(settings.broker, logger: logger)
    let tasks = try await openTasks(settings, logger)
    defer { tasks?.close() }
    let app = RealtimeApp(
        logger: logger, broker: broker, topics: configuration.topics, tasks: tasks,
        tools: settings.tools
    ) {
        [routes = settings.routes] route, options in routes[route].adjust(&options)
    }
    let server = Server(
        configuration: configuration, router: app.router(), broker: broker, logger: logger
    ) {
        for address in $0 { announce(address) }
    }
    try await server.run()
}

/// What carries publications, within this process or to others.
private func makeBroker(_ settings: BrokerSettings, logger: Logger) -> any Broker {
    switch settings.place {
    case .memory: MemoryBroker()
    case .redis(let url): RedisBroker(url: url, prefix: settings.prefix, logger: logger)
    }
}

/// The tasks' database, before anything listens.
private func openTasks(_ settings: Settings, _ logger: Logger) async throws -> TaskStore? {
    guard let path = settings.tasksDatabase else { return nil }
    // A file that may not grow is then an error like a full disk, which a request can be answered
    // with, and not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    do {
        return try await TaskStore.open(path: path, logger: logger)
    } catch {
        let fault = "tasks.database: \(path) can't be used: \(error)\n"
        FileHandle.standardError.write(Data(fault.utf8))
        throw ExitCode(78)
    }
}

/// One line for scripts and people to wait for.
private func announce(_ address: BoundAddress) {
    switch address {
    case .ip: print("listening on http://\(address)")
    case .unix: print("listening on http+\(address)")
    }
    // Standard output may be a pipe, which is written in blocks otherwise.
    fflush(nil)
}
