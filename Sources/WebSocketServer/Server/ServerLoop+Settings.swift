import UVTransport

/// The settings of one loop, which a reload replaces.
extension ServerLoop {
    /// The open connections that take over settings in one turn.
    private static let connectionsATurn = 512

    /// Takes over the present settings: for new connections and requests at once, for open
    /// connections in this turn and, if they are many, the next ones.
    func takeSettings(done: @escaping () -> Void) {
        let settings = shared.http
        guard settings !== http.settings else { return done() }
        resources.makeRoom(forRoutes: settings.routes.numbers.count)
        http.settings = settings
        let configuration = settings.configuration
        resources.handshakes?.max = Self.handshakesMax(configuration)
        resources.topics?.replaceOptions(
            configuration.topics, compression: configuration.compression)
        resources.codecs.forgetAgreements()
        resources.access = configuration.accessLog.map { AccessLog($0, loop: loop) }
        watchTurns()
        hand(settings, to: resources.registry.snapshot()[...], done: done)
    }

    private func hand(
        _ settings: HTTPSettings, to connections: ArraySlice<ConnectionCore>,
        done: @escaping () -> Void
    ) {
        // Another reload may have followed: its settings reach the rest.
        guard settings === http.settings else { return done() }
        for connection in connections.prefix(Self.connectionsATurn) {
            connection.replaceOptions(settings.options(replacing: connection.options))
        }
        let rest = connections.dropFirst(Self.connectionsATurn)
        guard !rest.isEmpty else { return done() }
        let next = Continuation(run: { [self] in hand(settings, to: rest, done: done) })
        if !loop.executeLater({ next.run() }) { done() }
    }

    /// The work of a later turn of the same loop.
    private struct Continuation: @unchecked Sendable {
        // Safety: it is made on the loop's thread, and runs there.
        let run: () -> Void
    }
}
