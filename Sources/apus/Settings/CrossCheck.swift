import RealtimeApp
import WebSocketServer

/// A rule about two keys.
struct CrossCheck: Sendable {
    let key: String
    /// The rule in words; completes "KEY must be …".
    let relation: String
    let other: String
    let holds: @Sendable (SettingsDraft) -> Bool

    static let all: [CrossCheck] = ofServer + RealtimeApp.Route.allCases.map(ofRoute)

    /// Returns the rule that a route's messages must fit into the memory for all of them, like
    /// those of the server.
    private static func ofRoute(_ route: RealtimeApp.Route) -> CrossCheck {
        CrossCheck(
            key: "routes.\(route.rawValue).message.max", relation: "at most",
            other: "limits.assembly.max"
        ) { draft in
            draft.routes[route].messageSizeMax.map { $0 <= draft.server.limits.assemblySizeMax }
                ?? true
        }
    }

    private static let ofServer: [CrossCheck] = [
        CrossCheck(
            key: "limits.assembly.max", relation: "at least", other: "limits.message.max"
        ) { $0.server.limits.assemblySizeMax >= $0.server.limits.messageSizeMax },
        CrossCheck(
            key: "limits.frame.max", relation: "at most", other: "limits.message.max"
        ) { draft in
            draft.server.limits.frameSizeMax.map { $0 <= draft.server.limits.messageSizeMax }
                ?? true
        },
        CrossCheck(
            key: "limits.outbox.high_water", relation: "at most", other: "limits.outbox.max"
        ) { $0.server.limits.outboxHighWater <= $0.server.limits.outboxMax },
        CrossCheck(
            key: "auth.jwt.secret",
            relation: "at least as long as the hash (32, 48 or 64 bytes) of",
            other: "auth.jwt.algorithm"
        ) { draft in
            draft.auth.secret.map { $0.utf8.count >= draft.auth.algorithm.secretSizeMin } ?? true
        },
        CrossCheck(
            key: "drain.deadline", relation: "at least", other: "drain.spread"
        ) { $0.server.drain.deadline >= $0.server.drain.spread },
    ]
}
