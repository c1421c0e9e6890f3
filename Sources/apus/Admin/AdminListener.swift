import Logging
import WebSocketServer

/// Runs `body` beside the admin listener, if the settings have one. The listener has an event loop
/// of its own, so that it answers while those of the public server are busy.
///
/// - Throws: The error of `body`, or the one that kept the admin listener from starting; then
///   `body` isn't called.
func withAdminListener(
    _ context: AdminContext, _ succession: Succession, run body: () async throws -> Void
) async throws {
    let logger = context.logger
    guard let address = context.settings.listen else { return try await body() }
    let (started, continuation) = AsyncStream<Void>.makeStream()
    let dashboard = Dashboard()
    let admin = try Server(
        configuration: adminConfiguration(succession.adminAddresses(address)),
        router: adminRouter(context, dashboard: dashboard), logger: quieted(logger)
    ) { addresses in
        for address in addresses {
            logger.info("the admin listener is ready", metadata: ["url": "http://\(address)"])
        }
        continuation.yield()
    }
    succession.attach(admin: admin)
    let running = Task {
        defer { continuation.finish() }
        try await admin.run()
    }
    var isStarted = false
    for await _ in started {
        isStarted = true
        break
    }
    let sampling = Task {
        if isStarted { await dashboard.run(on: admin, observing: context.server) }
    }
    defer { sampling.cancel() }
    do {
        if isStarted { try await body() }
    } catch {
        admin.stop()
        _ = await running.result
        throw error
    }
    admin.stop()
    do {
        try await running.value
    } catch let error as ServerError {
        throw AdminStartFailure(error: error)
    }
}

/// Returns a logger that leaves out the start and the end of the admin listener, which would look
/// like those of the server.
private func quieted(_ logger: Logger) -> Logger {
    Logger(label: logger.label) { _ in AdminLogHandler(base: logger.handler) }
}

/// The log of the admin listener's own server, without records of level `info`.
private struct AdminLogHandler: LogHandler {
    var base: any LogHandler

    var logLevel: Logger.Level {
        get { base.logLevel }
        set { base.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { base.metadata }
        set { base.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { base[metadataKey: key] }
        set { base[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        if event.level != .info { base.log(event: event) }
    }
}

/// Returns the configuration of the admin listener's own server.
private func adminConfiguration(_ addresses: [ListenAddress]) -> ServerConfiguration {
    var configuration = ServerConfiguration()
    configuration.addresses = addresses
    configuration.loops = 1
    configuration.limits.connectionsMax = 64
    configuration.limits.messageSizeMax = .kibibytes(64)
    configuration.limits.bodySizeMax = .mebibytes(1)
    configuration.drain.spread = .zero
    configuration.drain.deadline = .seconds(1)
    // It is needed most when the process is overloaded. `AdminHostCheck` checks the name.
    configuration.overload.isEnabled = false
    configuration.names = .any
    return configuration
}

/// The reason why the admin listener could not start.
private struct AdminStartFailure: Error, CustomStringConvertible {
    let error: ServerError

    var description: String {
        "admin.listen: \(error)\n  Choose another address with --set admin.listen=HOST:PORT"
    }
}
