import WebSocketServer

/// A rule that two keys keep together.
struct CrossCheck: Sendable {
    let key: String
    /// Completes "KEY must be …".
    let relation: String
    let other: String
    let holds: @Sendable (SettingsDraft) -> Bool

    static let all: [CrossCheck] = [
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
            key: "drain.deadline", relation: "at least", other: "drain.spread"
        ) { $0.server.drain.deadline >= $0.server.drain.spread },
    ]
}
