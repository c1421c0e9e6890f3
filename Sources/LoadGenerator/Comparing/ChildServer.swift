import Foundation
import UVTransport
import WebSocketServer

/// An `apus serve` process started for one case, on a free port of the loopback.
final class ChildServer: Sendable {
    let url: @Sendable (String) throws -> WebSocketURL
    private let process: Process

    var identifier: Int32 { process.processIdentifier }

    /// Starts the server and waits until it listens.
    static func start(_ plan: ComparePlan, settings: [String]) async throws -> ChildServer {
        try await offLoad { try ChildServer(plan, settings: settings) }
    }

    private init(_ plan: ComparePlan, settings: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: plan.executable)
        let all =
            settings + [
                "drain.spread=0s", "drain.deadline=1s", "log.level=error", "tasks.database=",
            ]
        process.arguments =
            ["serve", "--host", "127.0.0.1", "--port", "0", "--loops", "1", "--tools"]
            + all.flatMap { ["--set", $0] } + plan.arguments
        // Variables of `apus` in the environment would be settings for the server.
        process.environment = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("APUS_")
        }
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        // A child process inherits the cores of the thread that starts it.
        let before = CoreAffinity.current
        CoreAffinity(cores: plan.serverCores).apply()
        defer { before.apply() }
        try process.run()
        self.process = process
        guard let authority = Self.authority(in: output.fileHandleForReading) else {
            process.terminate()
            throw LoadError("\(plan.executable) serve did not start")
        }
        url = { try WebSocketURL("ws://\(authority)\($0)") }
    }

    /// Returns the authority in the line `listening on http://HOST:PORT`; `nil` if the output ends
    /// without it.
    private static func authority(in output: FileHandle) -> String? {
        var text = ""
        while true {
            let data = output.availableData
            if data.isEmpty { return nil }
            text += String(decoding: data, as: UTF8.self)
            for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
                let start = "listening on http://"
                if line.hasPrefix(start) { return String(line.dropFirst(start.count)) }
            }
        }
    }

    /// Ends the server.
    func stop() async {
        _ = try? await Self.offLoad { [process] in
            process.terminate()
            process.waitUntilExit()
        }
    }

    /// Runs blocking work on a thread that nothing else waits for.
    private static func offLoad<T: Sendable>(
        _ body: @escaping @Sendable () throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Result { try body() }) }
        }
    }
}
