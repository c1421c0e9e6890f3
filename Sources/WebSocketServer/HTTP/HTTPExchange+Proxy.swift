import HTTPTypes
import UVTransport

/// Whose a trusted proxy's connection is: with each request its client's, between requests its own.
///
/// A proxy keeps connections for its next client. Left with the last one they would use up what
/// that client may have open.
extension HTTPExchange {
    /// The client that a trusted proxy sends a request for; `nil` if no such proxy connected.
    func client(of fields: HTTPFields) -> SocketAddress? {
        proxy.map { settings.proxies.client(of: fields, from: $0) }
    }
}
