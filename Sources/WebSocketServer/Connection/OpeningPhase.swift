import UVTransport

/// The phase of a connection before it is a WebSocket: HTTP of a server or of a client. A class,
/// since each connection holds one and an existential takes two words.
class OpeningPhase {
    /// Handles bytes, which are valid until the call returns.
    func received(_ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore) {
        preconditionFailure("overridden")
    }

    func deadlinePassed(on connection: ConnectionCore) { preconditionFailure("overridden") }

    /// Handles the end of the stream before the connection became a WebSocket.
    func ended(_ error: TransportError, on connection: ConnectionCore) {
        preconditionFailure("overridden")
    }

    /// Returns whether the phase continues although the peer sends no more, because a response to
    /// the peer is still pending.
    func outlivesEnd(on connection: ConnectionCore) -> Bool { false }

    /// Logs the end of the connection before it became a WebSocket, for the access log: the request
    /// that has no response yet, or that there was none.
    func logEnd(reason: String, on connection: ConnectionCore) {
        connection.resources.access?.logConnection(
            connection.id, peer: connection.peer, reason: reason)
    }

    /// Called when the connection is over before it became a WebSocket. Tasks are cancelled.
    func terminated() {}

    /// Whether the client has only just connected: its first request, or the answer to its opening
    /// handshake, is still to come.
    var isArriving: Bool { false }

    /// Drains the connection. Returns whether it is to be ended at once because no request is in
    /// progress.
    func drain(on connection: ConnectionCore) -> Bool { preconditionFailure("overridden") }

    /// Called when the server's settings have been replaced.
    func settingsChanged() {}

    /// Releases received bytes, because memory is used up. Returns false if the connection is to be
    /// reset.
    func shed(on connection: ConnectionCore) -> Bool { false }

    /// The bytes of memory that hold received bytes.
    var heldSize: Int { 0 }

    /// Continues with the input that waited for a later turn of the loop.
    func takeTurn(on connection: ConnectionCore) {}

    /// Called when the peer has taken bytes of the outbox.
    ///
    /// - Parameter isLow: Whether the outbox is low enough for more to be sent.
    func outboxShrank(isLow: Bool, on connection: ConnectionCore) {}
}

/// The result of a connection's opening handshake.
struct Upgraded {
    /// The number of its route in ``LoopResources/routes``.
    var route = 0
    var handler: any ConnectionHandler
    var options: SessionOptions
    var subprotocol: String?
    var compression: MessageCompression?
    /// Whether smaller limits hold until the peer has authenticated.
    var awaitsAuthentication = false
}
