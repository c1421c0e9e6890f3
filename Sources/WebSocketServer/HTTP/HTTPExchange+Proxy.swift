import HTTPTypes
import UVTransport

/// Whose a trusted proxy's connection is: with each request its client's, between requests its own.
///
/// A proxy keeps connections for its next client. Left with the last one they would use up what
/// that client may have open.
extension HTTPExchange {
    /// A trusted proxy that connected.
    struct Proxy {
        let address: SocketAddress
        /// What the connection may do by the limit of all connections.
        let ofAll: Admission.Verdict
    }

    /// A request's head came: it says for whom.
    func attributeToClient(_ fields: HTTPFields, _ connection: ConnectionCore) {
        guard let proxy else { return }
        let client = server.configuration.proxies.client(of: fields, from: proxy.address)
        connection.attribute(to: client, ofAll: proxy.ofAll)
    }

    /// The next request may be another client's.
    func returnToProxy(_ connection: ConnectionCore) {
        guard let proxy, connection.peer != proxy.address else { return }
        connection.attribute(to: proxy.address, ofAll: proxy.ofAll)
    }
}

extension ConnectionCore {
    /// From here on the connection is another's, and counts as one of theirs. `ofAll` is what it
    /// may do by the limit of all connections.
    func attribute(to client: SocketAddress, ofAll: Admission.Verdict) {
        let ofAddress = context.admission?.move(from: peer, to: client) ?? .admitted
        peer = client
        admission = ofAll.stricter(ofAddress)
    }
}
