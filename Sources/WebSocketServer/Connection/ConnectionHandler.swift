public import WebSocketProtocol

/// The program's side of one connection, or of all connections of a route.
///
/// All calls for a connection come on its event loop, one after the other, and must not block.
/// An instance that serves one connection may hold state without a lock. An instance that serves
/// several connections must be `Sendable`, since they live on different loops.
public protocol ConnectionHandler: AnyObject {
    /// Called when the opening handshake is done. Messages can be sent from here on.
    func onOpen(_ connection: Connection)
    /// Called for each message. `payload` is valid until the call returns; text is valid UTF-8.
    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection)
    /// Called when the outbox has fallen to half its high-water mark after `send` had reported
    /// backpressure.
    func onDrain(_ connection: Connection)
    /// Called once for each `onOpen` when the connection is over: when both sides have sent a Close
    /// frame, when the connection has failed, or when the peer has not answered in time. `code` is
    /// the peer's close code (RFC 6455 §7.1.5). If the peer sent none, it is the code of our own
    /// Close frame, which says more than the RFC's 1006; 1006 if no Close frame was sent.
    func onClose(_ connection: Connection, code: CloseCode, reason: String)
}

extension ConnectionHandler {
    public func onOpen(_ connection: Connection) {}
    public func onDrain(_ connection: Connection) {}
    public func onClose(_ connection: Connection, code: CloseCode, reason: String) {}
}

/// The handler of a connection that has none yet, or none any more.
final class NoHandler: ConnectionHandler, Sendable {
    static let shared = NoHandler()
    /// The handler of a connection that is refused after the upgrade: its end is only counted.
    static let refused = NoHandler()
    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {}
}
