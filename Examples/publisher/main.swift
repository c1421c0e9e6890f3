// A service in the background that publishes, beside the server in a `ServiceGroup`: both start
// together, and stop together in an orderly way.
//
//     swift run example-publisher [PORT]
//     apus connect ws://127.0.0.1:8080/prices
import Foundation
import ServiceLifecycle
import WebSocketServer

struct Price: Codable {
    let symbol: String
    let price: Double
}

/// Publishes random prices.
struct Ticker: Service {
    let server: Server

    func run() async throws {
        // The group stops its services one after the other, beginning with the last one. So the
        // ticker ends before the server closes its connections.
        await cancelWhenGracefulShutdown {
            var prices = ["APUS": 42.0, "PICA": 17.0, "CORVUS": 99.0]
            while !Task.isCancelled {
                for (symbol, price) in prices {
                    let next = max(1, price + Double.random(in: -1...1))
                    prices[symbol] = next
                    // A slow consumer receives only the latest price of each key. The server
                    // refuses a price while too many publications wait to be delivered. An error
                    // that leaves `run` would end the whole group, hence `try?`.
                    try? await server.publish(
                        Price(symbol: symbol, price: next), to: "prices", key: symbol,
                        using: JSONEncoder().encode)
                }
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
    }
}

let port = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 8080 : 8080
// The group handles signals, so `handlesSignals` stays off.
var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: port))
configuration.topics.rules = [.init(prefix: "prices", policy: .conflate)]
// The Close frames of a stop are spread over this time.
configuration.drain.spread = .seconds(1)

var router = Router()
router.webSocket("/prices") { client in
    client.subscribe(to: "prices")
    for try await _ in client.messages {}
}

let logger = Logger(label: "prices")
let server = try Server(configuration: configuration, router: router, logger: logger)
let group = ServiceGroup(
    services: [server, Ticker(server: server)],
    gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
try await group.run()
