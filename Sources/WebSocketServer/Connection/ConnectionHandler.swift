public import WebSocketProtocol

/// What a program does with one connection, or with all connections of a route.
///
/// All calls for a connection come on its event loop, one after the other, and must not block.
/// An instance made for each connection may hold that connection's state unguarded; one shared by
/// several must be `Sendable`, since they live on different loops.
public protocol ConnectionHandler: AnyObject {
    /// The opening handshake is done; sending is allowed from here on.
    func onOpen(_ connection: Connection)
    /// A whole message arrived. `payload` is valid until the call returns; text is valid UTF-8.
    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection)
    /// The outbox fell to half its high water mark after `send` had reported backpressure.
    func onDrain(_ connection: Connection)
    /// The connection is over; called once for each `onOpen`. A server calls it after the closing
    /// handshake once the peer has closed its side, or ``Limits/closeTimeout`` has passed. `code` is the peer's close code
    /// (RFC 6455 §7.1.5); ours where the peer did not answer it, which says more than the RFC's
    /// 1006; else 1006.
    func onClose(_ connection: Connection, code: CloseCode, reason: String)
}

extension ConnectionHandler {
    public func onOpen(_ connection: Connection) {}
    public func onDrain(_ connection: Connection) {}
    public func onClose(_ connection: Connection, code: CloseCode, reason: String) {}
}

/// The handler of a connection that has none yet, or no more.
final class NoHandler: ConnectionHandler, Sendable {
    static let shared = NoHandler()
    /// Of a connection that is one too many: its end counts, and no one is told.
    static let refused = NoHandler()
    func onMessage(_ payload: RawSpan, as kind: MessageKind, from connection: Connection) {}
}
