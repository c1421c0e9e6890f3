import Logging
import WebSocketServer

/// Reports the state of a server to the service manager while it runs.
struct ServiceReporter: Sendable {
    /// The longest time between two reports of the number of connections.
    private static let statusInterval = Duration.seconds(10)

    let notifier: ServiceNotifier
    let server: Server

    /// Reports that the server listens, and from now on that it works, until the process ends.
    func begin() {
        notifier.ready(status: status)
        Task {
            await server.waitForStop()
            notifier.stopping(status: "Draining connections: \(server.connectionCount)")
        }
        Task { await reportRegularly() }
    }

    /// Sends a sign of life at half of the watchdog's interval, as long as all event loops turn: one
    /// that hangs keeps this from going on.
    private func reportRegularly() async {
        let half = notifier.watchdogInterval.map { $0 / 2 }
        let interval = min(half ?? Self.statusInterval, Self.statusInterval)
        var last = ""
        while !Task.isCancelled {
            await server.waitForTurns()
            if half != nil { notifier.watchdog() }
            let status = status
            if status != last, !server.isDraining { notifier.status(status) }
            last = status
            try? await Task.sleep(for: interval)
        }
    }

    private var status: String { Self.status(of: server) }

    /// Returns the line that describes a server.
    static func status(of server: Server) -> String { "Connections: \(server.connectionCount)" }
}
