/// The effect that a changed key has after a reload.
enum Effect: String, Sendable, Encodable {
    /// It holds at once, for open connections, too.
    case atOnce = "at once"
    /// It holds for new connections, requests and subscriptions. Open connections keep what they
    /// began with.
    case newConnections = "new connections"
    /// It holds after a restart. Until then, the earlier value stays in effect.
    case restart = "restart"

    /// The effects of keys by the beginning of their names. The longest match counts; `*` stands
    /// for one word.
    private static let byPrefix: [(prefix: String, effect: Effect)] = [
        ("server", .restart),
        ("server.proxy_protocol", .newConnections),
        ("server.tools", .newConnections),
        // Whether there is TLS at all needs a restart, see `Reload`.
        ("tls", .newConnections),
        ("admin", .restart),
        ("limits", .atOnce),
        ("limits.before_auth.timeout", .newConnections),
        ("limits.handshake", .newConnections),
        ("limits.body", .newConnections),
        ("limits.lifetime", .newConnections),
        ("overload", .restart),
        ("heartbeat", .atOnce),
        ("drain", .atOnce),
        ("compression", .newConnections),
        // All subscribers with shared contexts have agreed to this window.
        ("compression.server_window_bits", .restart),
        ("compression.memory.max", .atOnce),
        ("compression.idle.timeout", .atOnce),
        ("topics", .atOnce),
        ("broker", .restart),
        ("broker.on_gap", .atOnce),
        ("proxies", .newConnections),
        ("tasks", .restart),
        // The new tokens of open connections are verified with them, too.
        ("auth.jwt", .atOnce),
        ("auth", .newConnections),
        ("publish", .newConnections),
        ("origins", .newConnections),
        ("routes.*.first_message", .newConnections),
        ("routes.*.message", .atOnce),
        ("routes.*.rate", .atOnce),
        ("routes.*.compression", .newConnections),
        ("routes.*.heartbeat", .atOnce),
        ("log", .atOnce),
    ]

    /// Returns the effect of a key; `nil` if nobody has decided on it.
    static func decided(of key: String) -> Effect? {
        let words = key.split(separator: ".")
        var longest = 0
        var found: Effect?
        for (prefix, effect) in byPrefix {
            let beginning = prefix.split(separator: ".")
            guard beginning.count > longest, beginning.count <= words.count else { continue }
            if zip(beginning, words).allSatisfy({ $0 == $1 || $0 == "*" }) {
                longest = beginning.count
                found = effect
            }
        }
        return found
    }
}

extension Key {
    /// The effect of a changed value after a reload.
    var effect: Effect { Effect.decided(of: name) ?? .restart }
}
