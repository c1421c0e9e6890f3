import UVTransport

/// What speaks on a stream before it is a WebSocket: HTTP of a server or of a client. A class, since
/// each connection holds one: an existential takes two words.
class OpeningPhase {
    /// Bytes arrived; they are valid until the call returns.
    func received(_ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore) {
        preconditionFailure("overridden")
    }

    func deadlinePassed(on connection: ConnectionCore) { preconditionFailure("overridden") }

    /// The stream ended before the connection became a WebSocket.
    func ended(_ error: TransportError, on connection: ConnectionCore) {
        preconditionFailure("overridden")
    }

    /// Let go when nothing is under way; true if the connection is to be ended right now.
    func drain(on connection: ConnectionCore) -> Bool { preconditionFailure("overridden") }

    /// Gives up what has come, since memory is spent; false if the connection is to be reset.
    func shed(on connection: ConnectionCore) -> Bool { false }

    /// The bytes of memory that hold what has come.
    var heldSize: Int { 0 }

    /// Goes on with what waited for a later turn of the loop.
    func takeTurn(on connection: ConnectionCore) {}

    /// The peer takes what is queued for it; `isLow` once it has taken enough to be sent more.
    func outboxShrank(isLow: Bool, on connection: ConnectionCore) {}
}

/// What a connection becomes by its opening handshake.
struct Upgraded {
    var handler: any ConnectionHandler
    var options: SessionOptions
    var subprotocol: String?
    var compression: MessageCompression?
    /// Smaller limits hold until the peer has proved who it is.
    var awaitsAuthentication = false
}
