public import WebSocketProtocol
import UVTransport

/// One WebSocket connection: send to it, close it, from any thread.
///
/// A small value that refers to the connection; equality is identity. On the connection's own
/// loop (in its handler) every call takes effect at once; from elsewhere it is handed over to the
/// loop in order, and what it would return is not known yet.
public struct Connection: Sendable, Hashable {
    let core: ConnectionCore

    /// What became of something sent.
    public enum SendOutcome: Sendable, Hashable {
        /// Written, or queued within limits. From another thread: handed over.
        case accepted
        /// Queued, and the outbox is above its high water mark: wait for `onDrain`.
        case aboveHighWater
        /// Not sent: the connection is closing, closed, or too slow a consumer to keep.
        case dropped
    }

    /// A number that no other connection of this process has.
    public var id: UInt64 { core.id }

    /// The client's address without its port: `192.0.2.1`, `2001:db8::1`, `unix`. Behind a trusted
    /// proxy it is the one that this names (``ProxyOptions``).
    public var remoteAddress: String { core.peer.host }

    /// The subprotocol agreed on in the opening handshake (RFC 6455 §1.9).
    public var subprotocol: String? { core.subprotocol }

    /// Sends one message: text must be UTF-8, which is not checked here.
    ///
    /// Limits of what may be queued hold on the connection's loop. From another thread what is
    /// handed over counts once the loop takes it, so a thread that sends without end is to wait
    /// for its peers by itself: with ``ClientConnection`` and the `async` handlers, `send` does.
    @discardableResult
    public func send(_ payload: RawSpan, as kind: MessageKind) -> SendOutcome {
        unsafe payload.withUnsafeBytes { unsafe core.sendMessage($0, kind) }
    }

    /// Sends one message as it is, though compression was agreed on: for what must not share a
    /// compressor with text that others choose (a secret's length would tell), or is compressed
    /// already.
    @discardableResult
    public func sendUncompressed(_ payload: RawSpan, as kind: MessageKind) -> SendOutcome {
        unsafe payload.withUnsafeBytes { unsafe core.sendPlain($0, kind) }
    }

    /// Sends one text message.
    @discardableResult
    public func send(_ text: String) -> SendOutcome {
        var text = text
        return text.withUTF8 { unsafe core.sendMessage(UnsafeRawBufferPointer($0), .text) }
    }

    /// Sends one message of bytes, binary unless told otherwise.
    @discardableResult
    public func send(_ bytes: [UInt8], as kind: MessageKind = .binary) -> SendOutcome {
        unsafe bytes.withUnsafeBytes { unsafe core.sendMessage($0, kind) }
    }

    /// Sends a ping. `payload` is cut to 125 bytes, which is what a ping can hold (RFC 6455 §5.5).
    public func ping(_ payload: [UInt8] = []) {
        let payload = payload.prefix(FrameHeader.controlPayloadMax)
        core.onLoop { core in
            unsafe payload.withUnsafeBytes { unsafe core.sendControl(.ping, $0) }
        }
    }

    /// Starts the closing handshake: what was sent before still goes out. The reason is cut to
    /// 123 bytes.
    ///
    /// Any code may be passed on from another connection, such as ``ConnectionEnd/code``. Codes
    /// that a Close frame can carry are sent as they are: 1000…1003, 1007…1014 and 3000…4999
    /// (RFC 6455 §7.4). 1005 sends a Close frame without code and reason. Every other code is sent
    /// as 1011, among them 1006 and 1015, which say that a connection failed.
    public func close(_ code: CloseCode = .normalClosure, reason: String = "") {
        core.onLoop { core in core.beginClosing(code, reason) }
    }

    /// Says that the peer has proved who it is, on a route that waits for it: larger limits hold
    /// from its next frame on. See ``UpgradeDecision/accept(_:subprotocol:awaitsAuthentication:)``.
    public func authenticated() {
        core.onLoop { core in core.authenticated() }
    }

    /// Stops reading from the peer until ``resumeReading()``; what it sends waits in the kernel.
    public func pauseReading() {
        core.onLoop { core in core.setReadingPaused(true, .application) }
    }

    public func resumeReading() {
        core.onLoop { core in core.setReadingPaused(false, .application) }
    }

    /// Bytes sent and not yet taken by the kernel. On the connection's loop.
    public var outboxCount: Int { core.outboxCount }

    public static func == (a: Connection, b: Connection) -> Bool { a.core === b.core }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(core)) }
}

extension String {
    /// The text of a message's payload.
    public init(_ payload: borrowing RawSpan) {
        self = unsafe payload.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
