import Foundation
import Logging
import RedisBroker
import Synchronization
import WebSocketServer
import LiveTesting

/// A real `redis-server` on its own Unix-domain socket, during one test.
final class RedisServer: Sendable {
    struct Failure: Error, CustomStringConvertible { let description: String }

    let folder: URL
    private let process: ChildProcess
    private let lines = Reports<String>()

    var socket: String { folder.path + "/redis.sock" }
    var url: RedisURL { get throws { try RedisURL("unix://\(socket)") } }

    /// Starts the server, and returns once it accepts connections.
    init(_ arguments: [String] = []) async throws {
        let paths = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(
            separator: ":")
        guard
            let program = paths.map({ "\($0)/redis-server" })
                .first(where: FileManager.default.isExecutableFile)
        else { throw Failure(description: "needs redis-server: apt-get install redis-server") }
        folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("apus-redis-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        process = try ChildProcess(
            program,
            [
                "--port", "0", "--unixsocket", folder.path + "/redis.sock", "--save", "",
                "--dir", folder.path,
            ] + arguments)
        // Its standard output is its log.
        Thread.detachNewThread { [process, lines] in process.readLines { lines.add($0) } }
        try await lines.next { $0.contains("eady to accept connections") }
    }

    func signal(_ number: Int32) { process.signal(number) }

    func stop() {
        // It may be paused (SIGSTOP).
        signal(SIGKILL)
        process.wait()
        try? FileManager.default.removeItem(at: folder)
    }
}

/// Runs `body` with a Redis of its own.
func withRedis<Value>(
    _ arguments: [String] = [], _ body: (RedisServer) async throws -> Value
) async throws -> Value {
    let server = try await RedisServer(arguments)
    defer { server.stop() }
    return try await body(server)
}

extension RedisOptions {
    /// Options that probe at once, with timeouts that suffice on a busy machine.
    static var quick: RedisOptions {
        var options = RedisOptions()
        options.connectTimeout = .seconds(3)
        options.commandTimeout = .seconds(3)
        options.probeInterval = .milliseconds(100)
        options.probeTimeout = .seconds(3)
        options.backoff = .milliseconds(10) ... .milliseconds(100)
        return options
    }
}
