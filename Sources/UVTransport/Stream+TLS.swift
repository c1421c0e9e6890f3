import CLibuv
package import TLSFilter

/// The settings of a client's TLS session.
package struct TLSClientSettings: Sendable {
    let context: TLSClientContext
    let host: String

    /// - Parameter host: The server's name, or its IP address in the form that a certificate has.
    package init(context: TLSClientContext, host: String) {
        self.context = context
        self.host = host
    }
}

extension Stream {
    /// Takes over a connected descriptor and speaks TLS as a server; on an error it is closed.
    ///
    /// - Parameter awaitsPreamble: Whether other bytes come before TLS, until
    ///   ``beginTLS(after:)``.
    package final func adopt(
        ownedDescriptor descriptor: Int32, accepting context: TLSServerContext,
        handshakes: TLSHandshakes, awaitsPreamble: Bool = false
    ) throws(TransportError) {
        try adopt(
            descriptor, as: .server(context, handshakes), awaitsPreamble: awaitsPreamble)
    }

    /// Takes over a connected descriptor and speaks TLS as a client; on an error it is closed.
    final func adopt(
        ownedDescriptor descriptor: Int32, connecting settings: TLSClientSettings
    ) throws(TransportError) {
        try adopt(
            descriptor, as: .client(settings.context, host: settings.host), awaitsPreamble: false)
    }

    private final func adopt(
        _ descriptor: Int32, as role: TLSTransport.Role, awaitsPreamble: Bool
    ) throws(TransportError) {
        do throws(TransportError) {
            adopt(
                try TLSTransport(
                    role, loop: loop, ownedDescriptor: descriptor, awaitsPreamble: awaitsPreamble))
        } catch {
            closeHandle()
            throw error
        }
    }

    /// Starts TLS after the preamble. Returns false if the stream doesn't await it.
    ///
    /// - Parameter bytes: The bytes that were received together with the preamble, after it.
    package final func beginTLS(after bytes: UnsafeRawBufferPointer) -> Bool {
        guard let tls = transport as? TLSTransport, tls.phase == .preamble else {
            return false
        }
        unsafe tls.beginTLS(after: bytes)
        return true
    }

    /// The reason why TLS has failed; `nil` if it hasn't, or the connection doesn't use it.
    package final var tlsFailure: TLSClient.Fault? { (transport as? TLSTransport)?.failure }
}
