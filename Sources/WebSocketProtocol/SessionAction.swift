/// What a session asks of its connection after some bytes.
@usableFromInline
package enum SessionAction: Equatable, Sendable {
    /// Nothing special: read on.
    case proceed
    /// Others have their turn first. The last `unread` bytes of what was received are to be held
    /// and received again later, before any others; before them comes ``Session/resume(into:)`` if
    /// ``Session/isInflating``.
    case yield(unread: Int)
    /// The peer sent a Close frame; `nil` means one without a code. Nothing after it counts.
    case closeReceived(CloseCode?, reason: String)
    /// The peer broke the protocol or a limit: fail the connection with this code
    /// (RFC 6455 §7.1.7). Returned once; nothing after it counts.
    case fail(SessionFault)
}

/// A peer's fault, with the close code and the reason that it is told.
@usableFromInline
package struct SessionFault: Error, Equatable, Sendable {
    package let code: CloseCode
    package let reason: String
    /// The limit that was exceeded, if that is the fault.
    package let limit: SessionLimit?

    package init(_ code: CloseCode, _ reason: String, limit: SessionLimit? = nil) {
        self.code = code
        self.reason = reason
        self.limit = limit
    }
}

/// What a peer may exceed.
@usableFromInline
package enum SessionLimit: Int, CaseIterable, Sendable {
    case frameSize, messageSize, fragments, inflatedSize, assemblySize
    /// Of the connection, not of its session.
    case messageRate, byteRate, authenticationTime, messageTime, memory
}
