import PubSub
import UVTransport

extension ConnectionCore {
    /// Returns the description of the connection at this moment; on its loop.
    ///
    /// - Parameter paths: The paths of the routes, by their numbers.
    func info(paths: [String?]) -> ConnectionInfo {
        let now = loop.now
        let state: ConnectionInfo.State =
            switch stage {
            case .opening: .http
            case .open: .open
            case .closing, .lingering, .over: .closing
            }
        let traffic = StreamTraffic(of: self)
        let memberships = subscriber?.memberships ?? []
        func time(since time: CoarseTime) -> Duration {
            // The time is rounded up.
            .milliseconds(Int64(now - min(now, time.milliseconds)))
        }
        // A reload may have added routes since the search began.
        let number = route
        return ConnectionInfo(
            id: id, state: state, address: peer.description,
            user: resources.registry.users[id],
            route: paths.indices.contains(number) ? paths[number] : nil,
            subprotocol: subprotocol,
            topics: memberships.prefix(ConnectionInfo.topicsMax).map(\.topic.name),
            topicCount: memberships.count,
            age: time(since: began),
            idle: state == .open ? time(since: lifecycle.liveness.lastMessage) : nil,
            bytesReceived: traffic?.bytesReceived, bytesSent: traffic?.bytesSent,
            roundTrip: traffic.map { .microseconds(Int64($0.roundTripMicroseconds)) },
            waitingBytes: undeliveredCount + (subscriber?.backlog.size ?? 0))
    }
}
