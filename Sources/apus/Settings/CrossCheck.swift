import RealtimeApp
import WebSocketServer

/// A rule about two keys.
struct CrossCheck: Sendable {
    let key: String
    /// The rule in words; completes "KEY must be …".
    let relation: String
    let other: String
    let holds: @Sendable (SettingsDraft) -> Bool

    static let all: [CrossCheck] =
        ofServer + [ofSecret, ofAdmin] + RealtimeApp.Route.allCases.map(ofRoute)

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

    /// The rules of the library about its settings.
    private static let ofServer: [CrossCheck] = RangedSettings.rules.map { rule in
        func key(_ setting: String) -> String {
            guard let key = Schema.keys.first(where: { $0.setting == setting }) else {
                preconditionFailure("no key for \(setting)")
            }
            return key.name
        }
        return CrossCheck(
            key: key(rule.name), relation: rule.relation.rawValue, other: key(rule.other)
        ) { rule.holds($0.server) }
    }

    private static let ofSecret = CrossCheck(
        key: "auth.jwt.secret",
        relation: "at least as long as the hash (32, 48 or 64 bytes) of",
        other: "auth.jwt.algorithm"
    ) { draft in
        draft.auth.secret.map { $0.utf8.count >= draft.auth.algorithm.secretSizeMin } ?? true
    }
}
