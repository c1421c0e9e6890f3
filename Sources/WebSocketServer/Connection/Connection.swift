public import HTTPProtocol
public import WebSocketProtocol
import UVTransport

/// One WebSocket connection: send to it, close it, from any thread.
///
/// A small value that refers to the connection; equality is identity. On the connection's own
/// loop (in its handler) every call takes effect at once. Calls from other threads are handed over
/// to the loop in order, and their outcome isn't known yet.
public struct Connection: Sendable, Hashable {
    let core: ConnectionCore

    /// The connection's number, which no other connection of this process has.
    public var id: UInt64 { core.id }

    /// The peer's address without its port: `192.0.2.1`, `2001:db8::1`, `unix`. On a server behind
    /// a trusted proxy it is the address that the proxy names (``ProxyConfiguration``).
    public var remoteAddress: String { core.peer.host }

    /// The subprotocol that was negotiated in the opening handshake (RFC 6455 §1.9); `nil` if none,
    /// or if the connection is closed. On the connection's loop; traps elsewhere.
    public var subprotocol: String? {
        precondition(core.loop.isCurrent, "a subprotocol is read on the connection's loop")
        return core.subprotocol
    }

    /// The user that the application has named with ``setUser(_:)``; `nil` if none, or if the
    /// connection is closed. On the connection's loop.
    public var user: ExactString? {
        precondition(core.loop.isCurrent, "a user is read on the connection's loop")
        return core.resources.registry.users[core.id]
    }

    /// Names the user that the connection belongs to, for ``Server/connections(where:limit:)``;
    /// `nil` for none. Any thread.
    public func setUser(_ user: ExactString?) {
        core.onLoop { core in
            guard core.stage != .over else { return }
            core.resources.registry.users[core.id] = user
        }
    }

    /// Sends a ping; any thread. `payload` is cut to 125 bytes, the most that a ping can hold
    /// (RFC 6455 §5.5).
    public func ping(_ payload: [UInt8] = []) {
        let payload = payload.prefix(FrameHeader.controlPayloadMax)
        core.onLoop { core in
            unsafe payload.withUnsafeBytes { unsafe core.sendControl(.ping, $0) }
        }
    }

    /// Starts the closing handshake; any thread. Messages sent before are still delivered. The
    /// reason is cut to 123 bytes of UTF-8 (RFC 6455 §5.5.1). Calling it again has no effect.
    ///
    /// Any code may be passed on from another connection, such as ``ConnectionEnd/code``. Codes
    /// that a Close frame can carry are sent as they are: 1000…1003, 1007…1014 and 3000…4999
    /// (RFC 6455 §7.4). 1005 sends a Close frame without code and reason. Every other code is sent
    /// as 1011, among them 1006 and 1015, which say that a connection failed.
    public func close(_ code: CloseCode = .normalClosure, reason: String = "") {
        core.onLoop { core in core.beginClosing(code, reason) }
    }

    /// Marks the peer as authenticated, on a route that waits for it: the usual limits apply from
    /// its next frame on. See
    /// ``UpgradeDecision/accept(_:subprotocol:headerFields:awaitsAuthentication:)``. Any thread.
    public func markAuthenticated() {
        core.onLoop { core in core.markAuthenticated() }
    }

    /// Pauses reading from the peer until ``resumeReading()``; any thread. Bytes that it sends wait
    /// in the kernel. Messages that were read together with the current one may still arrive. Calls
    /// don't nest: one ``resumeReading()`` ends the pause.
    public func pauseReading() {
        core.onLoop { core in core.setReadingPaused(true, .application) }
    }

    /// Resumes reading after ``pauseReading()``; any thread.
    public func resumeReading() {
        core.onLoop { core in core.setReadingPaused(false, .application) }
    }

    /// The bytes that were sent and that the kernel has not taken yet. On the connection's loop
    /// only.
    public var outboxCount: Int {
        precondition(core.loop.isCurrent, "the outbox is counted on the connection's loop")
        return core.outboxCount
    }

    public static func == (a: Connection, b: Connection) -> Bool { a.core === b.core }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(core)) }
}
