import Logging
import WebSocketServer

/// Runs `body` beside the admin listener, if the settings have one. The listener has an event loop
/// of its own, so that it answers while those of the public server are busy.
///
/// - Throws: The error of `body`, or the one that kept the admin listener from starting; then
///   `body` isn't called.
func withAdminListener(
    _ context: AdminContext, logger: Logger, run body: () async throws -> Void
) async throws {
    guard let address = context.settings.listen else { return try await body() }
    let (started, continuation) = AsyncStream<Void>.makeStream()
    let admin = try Server(
        configuration: adminConfiguration(address), router: adminRouter(context), logger: logger
    ) { addresses in
        for address in addresses {
            logger.info("the admin listener is ready", metadata: ["url": "http://\(address)"])
        }
        continuation.yield()
    }
    let running = Task {
        defer { continuation.finish() }
        try await admin.run()
    }
    var isStarted = false
    for await _ in started {
        isStarted = true
        break
    }
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

/// Returns the configuration of the admin listener's own server.
private func adminConfiguration(_ address: AdminAddress) -> ServerConfiguration {
    var configuration = ServerConfiguration(address: .hostname(address.host, port: address.port))
    configuration.loops = 1
    configuration.limits.connectionsMax = 64
    configuration.limits.messageSizeMax = .kibibytes(64)
    configuration.limits.bodySizeMax = .mebibytes(1)
    configuration.drain.spread = .zero
    configuration.drain.deadline = .seconds(1)
    // The public server measures the load, and `AdminHostCheck` checks the name.
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
