import HTTPProtocol
import UVTransport

/// What stands before HTTP where the PROXY protocol is required: the header that says for whom a
/// proxy connects.
final class ProxyPreamble: OpeningPhase {
    private let exchange: HTTPExchange
    /// What the connection may do by the limit of all connections.
    private let ofAll: Admission.Verdict
    private var parser = ProxyHeaderParser()

    init(for exchange: HTTPExchange, _ ofAll: Admission.Verdict) {
        self.exchange = exchange
        self.ofAll = ofAll
    }

    override func received(_ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore) {
        let (event, consumed) = unsafe parser.parse(UnsafeRawBufferPointer(bytes))
        switch event {
        case .needMore: return
        case .failed(let fault):
            connection.context.warnings.invalidPreamble.log([
                "connection": "\(connection.id)", "peer": "\(connection.peer)",
                "reason": "\(fault.rawValue)",
            ])
            connection.terminate(reason: "PROXY protocol")
        case .header(let header):
            attribute(connection, to: header)
            // Safety: the caller of this method holds this phase until it returns.
            unsafe connection.opening = exchange
            exchange.begin(on: connection)
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[consumed...])
            if rest.count > 0 { unsafe exchange.received(rest, on: connection) }
        }
    }

    private func attribute(_ connection: ConnectionCore, to header: ProxyHeader) {
        let client: SocketAddress
        switch header {
        case .local: return
        case .ip(let address, let port): client = SocketAddress(address, port: port)
        case .unix: client = .unix
        }
        connection.attribute(to: client, ofAll: ofAll)
        // A proxy behind this one, which tells its client by a header of each request.
        let isProxy = exchange.server.configuration.proxies.trusts(client)
        exchange.proxy = isProxy ? HTTPExchange.Proxy(address: client, ofAll: ofAll) : nil
    }

    override func deadlinePassed(on connection: ConnectionCore) {
        connection.context.counters.handshakeTimeouts += 1
        connection.terminate(reason: "handshake timeout")
    }

    override func ended(_ error: TransportError, on connection: ConnectionCore) {}

    override func drain(on connection: ConnectionCore) -> Bool { true }
}
