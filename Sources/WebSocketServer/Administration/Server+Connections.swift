import PubSub
import Synchronization
import UVTransport
public import WebSocketProtocol

/// The connections of a server, for its operators.
extension Server {
    /// Returns the connections that a filter matches; any thread. The event loops search a part of
    /// their connections in each turn, so connections that come or go meanwhile may be missing.
    ///
    /// - Parameter limit: The number of connections that are described: the oldest ones. All are
    ///   counted.
    public func connections(
        where filter: ConnectionFilter = ConnectionFilter(), limit: Int = .max
    ) async -> ConnectionList {
        guard let server = running, let route = number(of: filter.route) else {
            return ConnectionList(count: 0, connections: [])
        }
        let paths = [nil] + shared.http.routes.numbers.routes.map { Optional($0.path) }
        let parts = Mutex<[ConnectionList]>([])
        await server.onEachLoop { loop, done in
            var matches: [ConnectionCore] = []
            _ = ConnectionSearch(filter, route: route, in: loop.resources) {
                matches.append($0)
            } onEnd: {
                // Those that have ended since are no longer informed of changes.
                matches.removeAll { $0.stage == .over }
                matches.sort { $0.id < $1.id }
                let infos = matches.prefix(max(0, limit)).map { $0.info(paths: paths) }
                let part = ConnectionList(count: matches.count, connections: infos)
                parts.withLock { $0.append(part) }
                done()
            }
        }
        let all = parts.withLock { $0 }
        let sorted = all.flatMap(\.connections).sorted { $0.id < $1.id }
        return ConnectionList(
            count: all.reduce(0) { $0 + $1.count },
            connections: Array(sorted.prefix(max(0, limit))))
    }

    /// Closes the connections that a filter matches, each like ``Connection/close(_:reason:)``; any
    /// thread. A connection that isn't a WebSocket is ended at once. Without conditions, all
    /// connections are closed.
    ///
    /// - Returns: The number of connections that matched and were not being closed before.
    @discardableResult
    public func disconnect(
        where filter: ConnectionFilter, code: CloseCode = .goingAway, reason: String = ""
    ) async -> Int {
        guard let server = running, let route = number(of: filter.route) else { return 0 }
        let total = Mutex(0)
        await server.onEachLoop { loop, done in
            var count = 0
            _ = ConnectionSearch(filter, route: route, in: loop.resources) { connection in
                guard connection.stage == .open || connection.stage == .opening else { return }
                count += 1
                connection.beginClosing(code, reason)
            } onEnd: {
                total.withLock { $0 += count }
                done()
            }
        }
        return total.withLock { $0 }
    }

    /// Returns the number of the filter's route, which is `nil` if it has no route; `nil` if there
    /// is no such route.
    private func number(of path: ExactString?) -> Int?? {
        guard let path else { return .some(nil) }
        let list = shared.http.routes.numbers.routes
        guard let index = list.firstIndex(where: { $0.isWebSocket && ExactString($0.path) == path })
        else { return nil }
        return index + 1
    }
}
