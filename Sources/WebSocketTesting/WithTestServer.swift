public import Logging
public import WebSocketServer

/// Runs a ``TestServer`` during `body`, then stops it and checks that nothing is left open. For the
/// other parameters see ``TestServer/init(_:configuration:broker:logger:seed:)``.
///
/// - Parameter configure: Changes the configuration.
/// - Returns: The result of `body`.
/// - Throws: The error of `body`, or else that of the start or of ``TestServer/stop()``.
public func withTestServer<Value: Sendable>(
    _ router: Router, broker: any Broker = MemoryBroker(), logger: Logger? = nil,
    seed: UInt64? = nil, configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (TestServer) async throws -> Value
) async throws -> Value {
    var configuration = ServerConfiguration()
    configure(&configuration)
    let app = try await TestServer(
        router, configuration: configuration, broker: broker, logger: logger, seed: seed)
    let value: Value
    do {
        value = try await body(app)
    } catch {
        // The first error says more than a leak that follows from it.
        try? await app.stop()
        throw error
    }
    try await app.stop()
    return value
}
