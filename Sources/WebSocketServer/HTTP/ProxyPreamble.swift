import HTTPProtocol
import UVTransport

/// The phase before HTTP where the PROXY protocol is required: its header names the client that a
/// proxy connects for.
final class ProxyPreamble: OpeningPhase {
    private let exchange: HTTPExchange
    private var parser = ProxyHeaderParser()

    init(for exchange: HTTPExchange) { self.exchange = exchange }

    override func received(_ bytes: UnsafeMutableRawBufferPointer, on connection: ConnectionCore) {
        let (event, consumed) = unsafe parser.parse(UnsafeRawBufferPointer(bytes))
        switch event {
        case .needMore: return
        case .failed(let fault):
            connection.resources.warnings.invalidPreamble.log([
                "connection": "\(connection.id)", "peer": "\(connection.peer)",
                "reason": "\(fault.rawValue)",
            ])
            connection.terminate(reason: "PROXY protocol")
        case .header(let header):
            attribute(connection, to: header)
            // The client is known only now: this is where the connection is accepted.
            if connection.admission == .noRoom {
                connection.resources.counters.refusedAtAccept += 1
                return connection.terminate(reason: ConnectionCore.tooManyConnections)
            }
            // Safety: the caller of this method holds this phase until it returns.
            connection.opening = exchange
            exchange.begin(on: connection)
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[consumed...])
            if unsafe connection.beginTLS(after: UnsafeRawBufferPointer(rest)) { return }
            if rest.count > 0 { unsafe exchange.received(rest, on: connection) }
        }
    }

    private func attribute(_ connection: ConnectionCore, to header: ProxyHeader) {
        let client: SocketAddress
        switch header {
        case .local: client = connection.peer
        case .ip(let address, let port): client = SocketAddress(address, port: port)
        case .unix: client = .unix
        }
        connection.judgeRequest(for: client)
        // The proxy itself, or a further one, names its client in a header of each request.
        let isProxy = exchange.settings.proxies.trusts(client)
        exchange.proxy = isProxy ? client : nil
    }

    override func deadlinePassed(on connection: ConnectionCore) {
        connection.resources.counters.handshakeTimeouts += 1
        connection.terminate(reason: "handshake timeout")
    }

    override func ended(_ error: TransportError, on connection: ConnectionCore) {}

    override var isArriving: Bool { true }

    override func drain(on connection: ConnectionCore) -> Bool { true }
}
