import UVTransport

/// Requests that were sent before the response to the last one: they wait for that response, for
/// room in the outbox, and for a turn with time left.
extension HTTPExchange {
    /// Parses the pipelined bytes, now or in a later turn.
    func receivePipelined(on connection: ConnectionCore) {
        if !pipelined.isEmpty, connection.resources.isTurnOver() {
            return awaitTurn(on: connection)
        }
        // Even without bytes there may be an event: the end of a request. Parsing may add bytes, so
        // the struct isn't accessed meanwhile.
        var next = pipelined
        pipelined.removeAll()
        unsafe next.parse { unsafe receive($0, on: connection) }
        if !next.isEmpty { pipelined = next }
        pauseReadingIfFull(on: connection)
        endIfClientHasFinished(on: connection)
    }

    /// Continues in a later turn with ``takeTurn(on:)``.
    func awaitTurn(on connection: ConnectionCore) {
        guard !awaitsTurn else { return }
        awaitsTurn = true
        connection.setReadingPaused(true, .held)
        connection.resources.awaitTurn(connection)
    }
}
