package import UVTransport

/// A successor that takes over the listening sockets, and supervision from outside the process.
extension Server {
    /// Returns descriptors of all listening sockets, for a process that is to take them over. There
    /// are none if the server doesn't listen.
    package func duplicateListeners() async throws(TransportError) -> [ListeningDescriptors] {
        guard let running else { return [] }
        return try await running.duplicateListeners()
    }

    /// Begins a graceful stop because another process accepts connections on the same sockets.
    ///
    /// It differs from ``stop()``: ``Drain/delay`` is skipped, the files of Unix-domain sockets
    /// stay, and clients that this process has accepted last become WebSockets before they receive
    /// their Close frame.
    package func handOver() {
        running?.handOver()
        skipDrainDelay.stop()
        stopper.stop()
    }

    /// Returns once a stop has begun.
    package func waitForStop() async { await stopper.wait() }

    /// Returns once each event loop has had a turn.
    package func waitForTurns() async {
        await running?.onEachLoop { _, done in done() }
    }
}
