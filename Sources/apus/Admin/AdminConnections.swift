import HTTPTypes
import Logging
import WebSocketServer

/// The answer to `GET /admin/connections`.
struct AdminConnections: Codable {
    struct Entry: Codable {
        let id: UInt64
        let state: String
        let address: String
        let user: String?
        let route: String?
        let subprotocol: String?
        let topics: [String]
        let topicCount: Int
        let ageSeconds: Double
        let idleSeconds: Double?
        let bytesReceived: UInt64?
        let bytesSent: UInt64?
        let roundTripMs: Double?
        let waitingBytes: Int
    }

    /// The number of all connections that match.
    let count: Int
    /// The oldest ones of them.
    let connections: [Entry]
}

/// The answer to `DELETE /admin/connections`.
struct AdminDisconnected: Codable {
    let closed: Int
}

/// The routes that list and close connections.
enum AdminConnectionRoutes {
    private static let filters: [ExactString] = ["address", "user", "route", "topic"]

    static func add(to router: inout Router, _ server: Server, _ logger: Logger) {
        router.get("/admin/connections") { request in
            let query = try AdminQuery(request, allowing: filters + ["limit"])
            let limit = try query.number("limit", in: 0...10_000, default: 100)
            let found = await server.connections(where: try filter(query), limit: limit)
            return .admin(
                AdminConnections(count: found.count, connections: found.connections.map(describe)))
        }
        router.delete("/admin/connections") { request in
            let query = try AdminQuery(request, allowing: filters + ["all", "code", "reason"])
            let filter = try filter(query)
            guard filter.isEmpty == (query["all"] == "true") else {
                throw Problem(
                    .unprocessableContent,
                    "Give address, user, route or topic, or else all=true to close every connection."
                )
            }
            return .admin(try await disconnect(filter, query, server, logger))
        }
        router.delete("/admin/connections/{id:int}") { request in
            let query = try AdminQuery(request, allowing: ["code", "reason"])
            let id = UInt64(exactly: request.parameters.integer("id"))
            let done = try await disconnect(
                ConnectionFilter(id: id ?? 0), query, server, logger)
            guard done.closed > 0 else {
                throw Problem(
                    .notFound,
                    "There is no open connection with this id. GET /admin/connections lists them.")
            }
            return .admin(done)
        }
    }

    private static func filter(_ query: AdminQuery) throws(Problem) -> ConnectionFilter {
        var filter = ConnectionFilter()
        filter.user = query["user"]
        filter.route = query["route"]
        filter.topic = query["topic"]
        if let address = query["address"] {
            guard address.utf8.count <= 64, let range = TrustedProxy(address.string) else {
                throw Problem(
                    .unprocessableContent,
                    "address must be an IP address, a range such as 10.0.0.0/8, or unix.")
            }
            filter.addresses = range
        }
        return filter
    }

    private static func disconnect(
        _ filter: ConnectionFilter, _ query: AdminQuery, _ server: Server, _ logger: Logger
    ) async throws(Problem) -> AdminDisconnected {
        let code = try query.number("code", in: 1000...4999, default: 1001)
        // RFC 6455 §7.4: the codes that a server may send.
        guard [1000, 1001, 1003, 1008, 1011, 1012, 1013].contains(code) || code >= 3000 else {
            throw Problem(
                .unprocessableContent,
                "code must be 1000, 1001, 1003, 1008, 1011, 1012, 1013, or 3000 to 4999.")
        }
        let reason = query["reason"]?.string ?? ""
        guard reason.utf8.count <= 123 else {
            throw Problem(.unprocessableContent, "reason must have 123 bytes at most.")
        }
        let closed = await server.disconnect(
            where: filter, code: CloseCode(rawValue: UInt16(code)), reason: reason)
        logger.notice(
            "connections closed by the admin listener",
            metadata: ["closed": "\(closed)", "code": "\(code)"])
        return AdminDisconnected(closed: closed)
    }

    private static func describe(_ info: ConnectionInfo) -> AdminConnections.Entry {
        AdminConnections.Entry(
            id: info.id, state: info.state.rawValue, address: info.address, user: info.user?.string,
            route: info.route, subprotocol: info.subprotocol, topics: info.topics,
            topicCount: info.topicCount, ageSeconds: info.age.seconds,
            idleSeconds: info.idle?.seconds, bytesReceived: info.bytesReceived,
            bytesSent: info.bytesSent, roundTripMs: info.roundTrip.map { $0.seconds * 1_000 },
            waitingBytes: info.waitingBytes)
    }
}

extension Duration {
    /// The seconds, to the microsecond.
    var seconds: Double { (self / .microseconds(1)).rounded() / 1_000_000 }
}
