import Glibc
import UVTransport

/// Messages to the service manager: the protocol of `sd_notify(3)`.
///
/// Each is one datagram, so there is no need for the library. Never blocks; a message that can't be
/// delivered is dropped.
final class ServiceNotifier: Sendable {
    private let socket: NotificationSocket
    /// The time within which ``watchdog()`` must be called again; `nil` if nobody waits for it.
    let watchdogInterval: Duration?

    /// Reads the environment. Returns `nil` if no service manager listens.
    init?(environment: [String: String], process: Int32 = getpid()) {
        guard let address = environment["NOTIFY_SOCKET"],
            let socket = NotificationSocket(to: address)
        else { return nil }
        self.socket = socket
        let owner = environment["WATCHDOG_PID"]
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        let isWatched = (owner == nil || owner == String(process)) && microseconds > 0
        watchdogInterval = isWatched ? .microseconds(microseconds) : nil
    }

    /// Reports that clients are served, also after ``reloading()``.
    func ready(status: String) { send("READY=1", "STATUS=\(status)") }

    /// Reports that the configuration is being read again; ``ready(status:)`` must follow.
    func reloading() {
        send("RELOADING=1", "MONOTONIC_USEC=\(SystemClock.monotonic / 1_000)")
    }

    func stopping(status: String) { send("STOPPING=1", "STATUS=\(status)") }

    func status(_ text: String) { send("STATUS=\(text)") }

    /// Reports that the process works.
    func watchdog() { send("WATCHDOG=1") }

    private func send(_ lines: String...) {
        socket.send(Array(lines.joined(separator: "\n").utf8))
    }
}
