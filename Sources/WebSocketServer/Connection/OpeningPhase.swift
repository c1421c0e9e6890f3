import UVTransport

/// The phase of a connection before it is a WebSocket: HTTP of a server or of a client. A class,
/// since each connection holds one and an existential takes two words.
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

    /// The connection is drained. Returns whether it is to be ended right now: nothing is under
    /// way.
    func drain(on connection: ConnectionCore) -> Bool { preconditionFailure("overridden") }

    /// Releases what has been received, since memory is spent. Returns false if the connection is
    /// to be reset.
    func shed(on connection: ConnectionCore) -> Bool { false }

    /// The bytes of memory that hold what has been received.
    var heldSize: Int { 0 }

    /// Continues with the input that waited for a later turn of the loop.
    func takeTurn(on connection: ConnectionCore) {}

    /// The peer has taken some of the outbox.
    ///
    /// - Parameter isLow: It has taken enough to be sent more.
    func outboxShrank(isLow: Bool, on connection: ConnectionCore) {}
}

/// What the opening handshake has agreed on for a connection.
struct Upgraded {
    var handler: any ConnectionHandler
    var options: SessionOptions
    var subprotocol: String?
    var compression: MessageCompression?
    /// Smaller limits hold until the peer has proved who it is.
    var awaitsAuthentication = false
}
