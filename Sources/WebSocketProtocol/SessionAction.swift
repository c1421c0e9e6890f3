/// The result of processing bytes: the connection's next action.
@usableFromInline
package enum SessionAction: Equatable, Sendable {
    /// Continue reading.
    case proceed
    /// Let other connections have their turn. Keep the last `unread` bytes, and pass them again
    /// later, before any others. If ``Session/isInflating``, call ``Session/resume(into:)`` before.
    case yield(unread: Int)
    /// The peer has sent a Close frame; `nil` means one without a code. Later bytes are ignored.
    case closeReceived(CloseCode?, reason: String)
    /// The peer violated the protocol or a limit: fail the connection (RFC 6455 §7.1.7). It is
    /// returned once. Later bytes are ignored.
    case fail(SessionFault)
}

/// An error of the peer, with the close code and reason to send.
@usableFromInline
package struct SessionFault: Error, Equatable, Sendable {
    package let code: CloseCode
    package let reason: String
    /// The exceeded limit, if that is the error.
    package let limit: SessionLimit?

    package init(_ code: CloseCode, _ reason: String, limit: SessionLimit? = nil) {
        self.code = code
        self.reason = reason
        self.limit = limit
    }
}

/// A limit that a peer can exceed.
@usableFromInline
package enum SessionLimit: Int, CaseIterable, Sendable {
    case frameSize, messageSize, fragments, inflatedSize, assemblySize
    // Limits of the connection, not of its session.
    case messageRate, byteRate, authenticationTime, messageTime, memory
}
