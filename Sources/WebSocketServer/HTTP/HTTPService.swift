import HTTPProtocol
import UVTransport

/// HTTP on one loop: the exchanges of its connections, and what these share. For that loop's
/// thread.
final class HTTPService {
    private static let sparesMax = 256

    /// The settings, which a reload replaces.
    var settings: HTTPSettings
    /// The exchanges that upgraded connections have left, for new connections. Freeing them would
    /// fragment the heap, and cost a third of a kilobyte for each idle connection.
    private var spares: [HTTPExchange] = []
    private var dateText = ""
    private var dateSecond = -1
    private let loop: EventLoop

    init(_ settings: HTTPSettings, loop: EventLoop) {
        self.settings = settings
        self.loop = loop
    }

    /// Returns an exchange for a new connection.
    func makeExchange() -> HTTPExchange {
        guard let exchange = spares.popLast() else { return HTTPExchange(service: self) }
        exchange.reset()
        return exchange
    }

    /// Keeps the exchange of a connection that has become a WebSocket.
    func keep(_ exchange: HTTPExchange) {
        if spares.count < Self.sparesMax { spares.append(exchange) }
    }

    /// The value of the `Date` header, made once a second.
    var date: String {
        let now = loop.secondsSince1970
        if now != dateSecond {
            dateSecond = now
            dateText = HTTPDate.text(secondsSince1970: now)
        }
        return dateText
    }
}
