import HTTPProtocol
import UVTransport

/// Clients that leave while a request is answered, and those that only send no more.
///
/// TCP reports both alike: the client's last byte has come. A client may close its sending side and
/// still await its response, as RFC 9112 leaves it free to. So the response is sent, unless it takes
/// so long that the difference matters: then an interim response probes the connection. The kernel
/// of a client that has left answers it with a reset, and the next probe fails.
extension HTTPExchange {
    /// The milliseconds after a client's last byte at which it is first probed.
    private static let firstProbeDelay: UInt64 = 500

    /// Handles the last byte of a client. Returns whether a response is still owed to it.
    func clientFinished(on connection: ConnectionCore) -> Bool {
        switch state {
        case .responding:
            probeDelay = 0
            scheduleProbe(on: connection)
            return true
        // The next part of the response finds out.
        case .streaming: return true
        // A client can't be in a WebSocket without sending; a plain request is one like others.
        case .deciding(let pending): return pending.isPlain
        case .head, .body, .finished: return false
        }
    }

    /// Probes a client that sends no more, or ends the connection if it has left.
    func probeClient(on connection: ConnectionCore) {
        guard connection.hasEnded, case .responding(let head, _) = state else { return }
        // RFC 9110 §15.2: clients take any number of interim responses, but not in HTTP/1.0.
        // §15.2.1: a client that didn't ask for a 100 discards it.
        if !head.isHTTP10, connection.outboxCount == 0 {
            connection.sendRaw(ResponseEncoder.continue100)
            connection.flushIfCorked()
        }
        guard connection.isOpen else { return connection.terminate(reason: "client left") }
        scheduleProbe(on: connection)
    }

    /// Schedules the next probe, each after twice the time of the one before.
    private func scheduleProbe(on connection: ConnectionCore) {
        let next = max(Self.firstProbeDelay, 2 * probeDelay)
        connection.setStageDeadline(connection.loop.now + next - probeDelay)
        probeDelay = next
    }

    /// Ends the connection of a client that sends no more, if all its requests are answered.
    func endIfClientHasFinished(on connection: ConnectionCore) {
        guard connection.hasEnded, connection.stage == .opening, !awaitsTurn, pipelined.isEmpty
        else { return }
        switch state {
        case .head, .body: finish(connection)
        case .responding, .deciding, .streaming, .finished: return
        }
    }

    /// Ends the connection once the client has its last response.
    func endConnection(_ connection: ConnectionCore) {
        connection.flushIfCorked()
        // Nothing is to be awaited of a client that sends no more and has everything.
        if connection.hasEnded, connection.outboxCount == 0 { return connection.terminate() }
        connection.linger(finishing: true)
    }

    /// Cancels the tasks that work for a client that has left.
    func cancelTasks() {
        task?.cancel()
        task = nil
        switch state {
        case .deciding(let pending): pending.cancel()
        case .streaming(let stream): stream.cancel()
        case .head, .body, .responding, .finished: break
        }
    }
}
