import ArgumentParser
import Foundation
import Logging
import RealtimeApp
import RedisBroker
import ServiceLifecycle
import UVTransport
import WebSocketServer

/// Serves with the configuration until a signal or an error stops it.
///
/// Prints `listening on URL` to standard output for each listener once it accepts connections. A
/// slow reader of this output or of the log never blocks an event loop.
///
/// - Throws: The error that kept the server from starting, or stopped it; exit status 78 for a
///   database that can't be used.
func serve(
    _ loaded: Loaded, from sources: Sources, tls: TLSContext?, reloads: ReloadRequests,
    log: StandardErrorLog, logger: Logger
) async throws {
    let settings = loaded.settings
    let succession = try Succession(settings, logger: logger)
    defer { succession.end() }
    let broker = makeBroker(settings.broker, logger: logger)
    let authentication = try await readForCommand(settings.auth, log: log, logger: logger)
    await authentication.fetchKeys()
    let tasks = try await openTasks(settings, log, logger)
    defer { tasks?.close() }
    let application = Application(
        broker: broker, tasks: tasks, addresses: succession.addresses, log: log, logger: logger)
    let app = application.features(settings, authentication)
    let output = LineWriter(descriptor: STDOUT_FILENO)
    defer { output.finish(within: .milliseconds(100)) }
    let server = try Server(
        configuration: application.configuration(settings, tls: tls), router: app.router(),
        broker: broker, logger: logger
    ) {
        authentication.logStart($0)
        succession.listening()
        for address in $0 {
            let line = announcement(of: address, isEncrypted: tls != nil)
            output.write(Array(line.utf8))
        }
    }
    succession.attach(server)
    let current = CurrentConfiguration(loaded)
    let admin = AdminContext(
        server: server, app: app, loaded: { current.loaded }, settings: loaded.settings.admin,
        logger: logger, log: log.settings, reloads: reloads)
    let reloader = Reloader(
        sources: sources, application: application, server: server, current: current,
        log: log.settings, succession: succession, logger: logger)
    let state = Reloader.State(authentication: authentication, tls: tls)
    do {
        try await withAdminListener(admin, succession) {
            let reloading = Task { await reloader.run(reloads, from: state) }
            defer { reloads.finish() }
            try await server.run()
            reloads.finish()
            await reloading.value
        }
        try succession.check()
    } catch let error as ServerError {
        guard let cause = error.underlying as? TransportError else { throw error }
        throw StartFailure(error: cause)
    }
}

/// A system error that kept the server from listening, with advice.
private struct StartFailure: Error, CustomStringConvertible {
    let error: TransportError

    var description: String { "\(error)" + (advice.map { "\n  \($0)" } ?? "") }

    private var advice: String? {
        switch error.name {
        case "EADDRINUSE" where error.operation.contains("unix:"):
            "Another program listens there. Choose another path: server.socket."
        case "EADDRINUSE":
            "Another program listens there. Choose another port with --port; 0 is any free port."
        case "ENOENT" where error.operation.contains("the group"):
            "There is no such group. Check server.socket_group."
        case "EPERM" where error.operation.contains("the group"):
            "The user of this process must be a member of that group. Check server.socket_group."
        case "EACCES" where error.operation.contains("unix:"):
            "This user may not write into the folder of server.socket."
        case "EACCES":
            "This user may not listen on that port. Choose one above 1023 with --port."
        case "EADDRNOTAVAIL":
            "This machine doesn't have that address. Check server.host (--host)."
        case "EAI_NONAME", "EAI_AGAIN":
            "Check server.host (--host): 0.0.0.0 is all IPv4 addresses of this machine."
        default: nil
        }
    }
}

/// Creates the broker, which carries publications within this process or to others.
private func makeBroker(_ settings: BrokerSettings, logger: Logger) -> any Broker {
    switch settings.place {
    case .memory: MemoryBroker()
    case .redis(let url): RedisBroker(url: url, prefix: settings.prefix, logger: logger)
    }
}

/// Opens the tasks' database, before anything listens.
private func openTasks(
    _ settings: Settings, _ log: StandardErrorLog, _ logger: Logger
) async throws -> TaskStore? {
    guard let path = settings.tasksDatabase else { return nil }
    // Exceeding the file size limit then gives an error like a full disk, and requests get an error
    // response. Otherwise the signal would end the process.
    signal(SIGXFSZ, SIG_IGN)
    do {
        let store = try await TaskStore.open(path: path, logger: logger)
        let file = URL(fileURLWithPath: path).path
        logger.info("tasks are stored in an SQLite file", metadata: ["path": "\(file)"])
        return store
    } catch {
        log.complain(
            """
            apus: tasks.database: \(path) can't be used: \(error)
              Choose another file with --set tasks.database=FILE, or none with \
            --set tasks.database=

            """)
        throw ExitCode(78)
    }
}

/// Returns the line that scripts and people wait for.
private func announcement(of address: BoundAddress, isEncrypted: Bool) -> String {
    let scheme = isEncrypted ? "https" : "http"
    return switch address {
    case .ip: "listening on \(scheme)://\(address)\n"
    case .unix: "listening on \(scheme)+\(address)\n"
    }
}
