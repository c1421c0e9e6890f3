import PubSub
import UVTransport

/// The search through one loop's connections, a slice in each turn, so that a search among many
/// connections delays no message. For that loop's thread.
final class ConnectionSearch: @unchecked Sendable {
    // Safety: confined to the loop's thread.

    private static let sliceSize = 512

    private let resources: LoopResources
    private let filter: ConnectionFilter
    /// The number of the filter's route.
    private let route: Int?
    private let onMatch: (ConnectionCore) -> Void
    private let onEnd: () -> Void
    /// The position behind the next connection: from the last one to the first, since a removal
    /// moves the last one to the position that becomes free.
    private var position: Int
    /// The matches, because a moved one is met again.
    private var found: Set<UInt64> = []

    /// Searches until `onEnd` is called: at once if one slice is enough.
    init(
        _ filter: ConnectionFilter, route: Int?, in resources: LoopResources,
        onMatch: @escaping (ConnectionCore) -> Void, onEnd: @escaping () -> Void
    ) {
        self.resources = resources
        self.filter = filter
        self.route = route
        self.onMatch = onMatch
        self.onEnd = onEnd
        position = resources.registry.count
        searchSlice()
    }

    private func searchSlice() {
        let registry = resources.registry
        var left = Self.sliceSize
        while left > 0 {
            position = min(position, registry.count)
            if position == 0 { return onEnd() }
            position -= 1
            left -= 1
            let connection = registry[position]
            if matches(connection), found.insert(connection.id).inserted { onMatch(connection) }
        }
        if !resources.loop.executeLater({ self.searchSlice() }) { onEnd() }
    }

    private func matches(_ connection: ConnectionCore) -> Bool {
        if let id = filter.id, id != connection.id { return false }
        if let route, route != connection.route { return false }
        if let addresses = filter.addresses, !addresses.contains(connection.peer) { return false }
        if let user = filter.user, user != resources.registry.users[connection.id] { return false }
        if let name = filter.topic {
            guard let topic = resources.topics?.delivery.table[name.string],
                connection.subscriber?.index(of: topic) != nil
            else { return false }
        }
        return true
    }
}
