import HTTPTypes
import UVTransport

/// The client that a trusted proxy's connection counts for: with each request the request's client,
/// between requests the proxy.
///
/// A proxy keeps connections for its next client. If they went on counting for the last client,
/// they would use up the connections that this client may have.
extension HTTPExchange {
    /// Returns the client that a trusted proxy sends a request for; `nil` if no such proxy
    /// connected.
    func client(of fields: HTTPFields) -> SocketAddress? {
        proxy.map { settings.proxies.client(of: fields, from: $0) }
    }
}
