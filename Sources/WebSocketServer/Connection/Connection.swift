public import WebSocketProtocol
import UVTransport

/// One WebSocket connection: send to it, close it, from any thread.
///
/// A small value that refers to the connection; equality is identity. On the connection's own
/// loop (in its handler) every call takes effect at once. Calls from other threads are handed over
/// to the loop in order, and their outcome isn't known yet.
public struct Connection: Sendable, Hashable {
    let core: ConnectionCore

    /// The outcome of a send.
    public enum SendOutcome: Sendable, Hashable {
        /// Written, or queued within limits. From another thread: handed over.
        case accepted
        /// Queued, and the outbox is above its high-water mark: wait for `onDrain`.
        case aboveHighWater
        /// Not sent: the connection is closing or closed, or its peer is a slow consumer.
        case dropped
    }

    /// The connection's number, which no other connection of this process has.
    public var id: UInt64 { core.id }

    /// The client's address without its port: `192.0.2.1`, `2001:db8::1`, `unix`. Behind a trusted
    /// proxy it is the address that the proxy names (``ProxyOptions``).
    public var remoteAddress: String { core.peer.host }

    /// The subprotocol agreed on in the opening handshake (RFC 6455 §1.9).
    public var subprotocol: String? { core.subprotocol }

    /// Sends one message: text must be UTF-8, which is not checked here.
    ///
    /// The limits of the outbox apply on the connection's loop. A message from another thread
    /// counts once the loop takes it, so a thread that sends without end must wait for its peers.
    /// The `send` of ``ClientConnection`` and of ``AsyncConnection`` waits by itself.
    @discardableResult
    public func send(_ payload: RawSpan, as kind: MessageKind) -> SendOutcome {
        unsafe payload.withUnsafeBytes { unsafe core.sendMessage($0, kind) }
    }

    /// Sends one message uncompressed, even if compression was negotiated. For messages that are
    /// compressed already, and for secrets, which must not share a compressor with text that others
    /// choose: the compressed length would reveal them.
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

    /// Sends one message of bytes, binary by default.
    @discardableResult
    public func send(_ bytes: [UInt8], as kind: MessageKind = .binary) -> SendOutcome {
        unsafe bytes.withUnsafeBytes { unsafe core.sendMessage($0, kind) }
    }

    /// Sends a ping. `payload` is cut to 125 bytes, the most that a ping can hold (RFC 6455 §5.5).
    public func ping(_ payload: [UInt8] = []) {
        let payload = payload.prefix(FrameHeader.controlPayloadMax)
        core.onLoop { core in
            unsafe payload.withUnsafeBytes { unsafe core.sendControl(.ping, $0) }
        }
    }

    /// Starts the closing handshake. Messages sent before are still delivered. The reason is cut to
    /// 123 bytes.
    ///
    /// Any code may be passed on from another connection, such as ``ConnectionEnd/code``. Codes
    /// that a Close frame can carry are sent as they are: 1000…1003, 1007…1014 and 3000…4999
    /// (RFC 6455 §7.4). 1005 sends a Close frame without code and reason. Every other code is sent
    /// as 1011, among them 1006 and 1015, which say that a connection failed.
    public func close(_ code: CloseCode = .normalClosure, reason: String = "") {
        core.onLoop { core in core.beginClosing(code, reason) }
    }

    /// Marks the peer as authenticated, on a route that waits for it: the usual limits apply from
    /// its next frame on. See ``UpgradeDecision/accept(_:subprotocol:headerFields:awaitsAuthentication:)``.
    public func authenticated() {
        core.onLoop { core in core.authenticated() }
    }

    /// Pauses reading from the peer until ``resumeReading()``. Bytes that it sends wait in the
    /// kernel.
    public func pauseReading() {
        core.onLoop { core in core.setReadingPaused(true, .application) }
    }

    /// Resumes reading after ``pauseReading()``.
    public func resumeReading() {
        core.onLoop { core in core.setReadingPaused(false, .application) }
    }

    /// The bytes that were sent and that the kernel has not taken yet. On the connection's loop.
    public var outboxCount: Int { core.outboxCount }

    public static func == (a: Connection, b: Connection) -> Bool { a.core === b.core }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(core)) }
}

extension String {
    /// Creates the text of a message's payload, which must be UTF-8.
    public init(_ payload: borrowing RawSpan) {
        self = unsafe payload.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
