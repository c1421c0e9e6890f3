import HTTPProtocol
import Logging
import Synchronization
import WebSocketServer

/// The connections of each user, which are limited; any thread. One lock is taken when a connection
/// begins, and one when it ends.
final class UserConnections: Sendable {
    /// The reason in the Close frame (1008) of a connection beyond the limit.
    static let tooMany = "too many connections of this user"

    private let state: Mutex<UserConnectionsState>
    private let refused: LogThrottle

    init(max: Int?, logger: Logger) {
        state = Mutex(UserConnectionsState(max: max))
        refused = LogThrottle(
            "refused: too many connections of one user", level: .info, logger: logger)
    }

    /// Sets the limit. Connections that exceed it stay.
    func limit(to max: Int?) { state.withLock { $0.max = max } }

    /// Counts a connection in. Returns false if the user has as many as allowed.
    func enter(_ user: ExactString) -> Bool {
        let isAdmitted = state.withLock { $0.enter(user) }
        if !isAdmitted { refused.log(["user": "\(user.prefix(100))"]) }
        return isAdmitted
    }

    /// Counts a connection out that was counted in.
    func leave(_ user: ExactString) { state.withLock { $0.leave(user) } }

    /// The number of users with connections.
    var userCount: Int { state.withLock { $0.userCount } }
}

/// The state that ``UserConnections`` guards. It isn't nested, because Swift 6.3 miscompiles that.
struct UserConnectionsState {
    var max: Int?
    /// Counted even without a limit, because a reload may set one.
    private var counts: [ExactString: Int] = [:]

    init(max: Int?) { self.max = max }

    var userCount: Int { counts.count }

    mutating func enter(_ user: ExactString) -> Bool {
        let count = counts[user, default: 0]
        if let max, count >= max { return false }
        counts[user] = count + 1
        return true
    }

    mutating func leave(_ user: ExactString) {
        guard let count = counts[user] else { return }
        counts[user] = count > 1 ? count - 1 : nil
    }
}
