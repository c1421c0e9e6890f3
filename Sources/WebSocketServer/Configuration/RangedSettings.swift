/// The settings that have a range, and the rules about two of them.
package enum RangedSettings {
    package static let loops = RangedSetting("loops", optional: \.loops, 1...256)
    package static let backlog = RangedSetting("backlog", \.backlog, 1...65_535)
    package static let slowTurn = RangedSetting(
        "slowTurn", optional: \.slowTurn, .milliseconds(1) ... .hours(1))

    // MARK: - Limits

    package static let connectionsMax = RangedSetting(
        "limits.connectionsMax", optional: \.limits.connectionsMax, 1...10_000_000)
    package static let connectionsPerAddressMax = RangedSetting(
        "limits.connectionsPerAddressMax", optional: \.limits.connectionsPerAddressMax,
        1...10_000_000)
    package static let messageSizeMax = RangedSetting(
        "limits.messageSizeMax", \.limits.messageSizeMax, .bytes(1) ... .gibibytes(1))
    package static let assemblySizeMax = RangedSetting(
        "limits.assemblySizeMax", \.limits.assemblySizeMax, .bytes(1) ... .gibibytes(64))
    package static let memoryMax = RangedSetting(
        "limits.memoryMax", \.limits.memoryMax, .mebibytes(1) ... .gibibytes(1_024))
    package static let messageTimeout = RangedSetting(
        "limits.messageTimeout", \.limits.messageTimeout, .milliseconds(10) ... .days(1))
    package static let frameSizeMax = RangedSetting(
        "limits.frameSizeMax", optional: \.limits.frameSizeMax, .bytes(1) ... .gibibytes(1))
    package static let fragmentsMax = RangedSetting(
        "limits.fragmentsMax", optional: \.limits.fragmentsMax, 1...1_000_000)
    package static let messageRateMax = RangedSetting(
        "limits.messageRateMax", optional: \.limits.messageRateMax, 1...10_000_000)
    package static let byteRateMax = RangedSetting(
        "limits.byteRateMax", optional: \.limits.byteRateMax, .kibibytes(1) ... .gibibytes(64))
    package static let unauthenticatedMessageSizeMax = RangedSetting(
        "limits.unauthenticatedMessageSizeMax", \.limits.unauthenticatedMessageSizeMax,
        .bytes(1) ... .mebibytes(1))
    package static let authenticationTimeout = RangedSetting(
        "limits.authenticationTimeout", \.limits.authenticationTimeout,
        .milliseconds(10) ... .hours(1))
    package static let outboxHighWater = RangedSetting(
        "limits.outboxHighWater", \.limits.outboxHighWater, .bytes(1) ... .gibibytes(1))
    package static let outboxMax = RangedSetting(
        "limits.outboxMax", \.limits.outboxMax, .bytes(1) ... .gibibytes(4))
    package static let handshakeTimeout = RangedSetting(
        "limits.handshakeTimeout", \.limits.handshakeTimeout, .milliseconds(10) ... .hours(1))
    package static let handshakeSizeMax = RangedSetting(
        "limits.handshakeSizeMax", \.limits.handshakeSizeMax, .bytes(256) ... .mebibytes(2))
    package static let handshakeHeadersMax = RangedSetting(
        "limits.handshakeHeadersMax", \.limits.handshakeHeadersMax, 1...1_000)
    package static let handshakesMax = RangedSetting(
        "limits.handshakesMax", \.limits.handshakesMax, 1...1_000_000)
    package static let bodySizeMax = RangedSetting(
        "limits.bodySizeMax", \.limits.bodySizeMax, .bytes(0) ... .gibibytes(1))
    package static let idleTimeout = RangedSetting(
        "limits.idleTimeout", optional: \.limits.idleTimeout, .milliseconds(10) ... .days(30))
    package static let lifetime = RangedSetting(
        "limits.lifetime", optional: \.limits.lifetime, .milliseconds(10) ... .days(30))
    package static let closeTimeout = RangedSetting(
        "limits.closeTimeout", \.limits.closeTimeout, .milliseconds(10) ... .hours(1))

    // MARK: - Heartbeat and drain

    package static let heartbeatInterval = RangedSetting(
        "heartbeat.interval", optional: \.heartbeat.interval, .milliseconds(100) ... .days(1))
    package static let heartbeatTimeout = RangedSetting(
        "heartbeat.timeout", \.heartbeat.timeout, .milliseconds(100) ... .hours(1))
    package static let drainDelay = RangedSetting(
        "drain.delay", \.drain.delay, .zero ... .hours(1))
    package static let drainSpread = RangedSetting(
        "drain.spread", \.drain.spread, .zero ... .hours(1))
    package static let drainDeadline = RangedSetting(
        "drain.deadline", \.drain.deadline, .zero ... .hours(1))

    // MARK: - Overload

    package static let overloadLoopLag = RangedSetting(
        "overload.loopLag", optional: \.overload.loopLag, .milliseconds(50) ... .seconds(60))
    package static let overloadOnset = RangedSetting(
        "overload.onset", \.overload.onset, .zero ... .hours(1))
    package static let overloadMemory = RangedSetting(
        "overload.memory", optional: \.overload.memory, .mebibytes(1) ... .gibibytes(1_024))
    package static let overloadFreeDescriptors = RangedSetting(
        "overload.freeDescriptors", optional: \.overload.freeDescriptors, 1...10_000_000)
    package static let overloadRecovery = RangedSetting(
        "overload.recovery", \.overload.recovery, .milliseconds(100) ... .hours(1))

    // MARK: - Compression

    package static let compressionLevel = RangedSetting(
        "compression.level", \.compression.level, 1...9)
    package static let compressionMemoryLevel = RangedSetting(
        "compression.memoryLevel", \.compression.memoryLevel, 1...9)
    package static let compressionThreshold = RangedSetting(
        "compression.threshold", \.compression.threshold, .bytes(0) ... .gibibytes(1))
    package static let serverWindowBits = RangedSetting(
        "compression.serverWindowBits", \.compression.serverWindowBits, 9...15)
    package static let clientWindowBits = RangedSetting(
        "compression.clientWindowBits", \.compression.clientWindowBits, 9...15)
    package static let compressionMemoryMax = RangedSetting(
        "compression.memoryMax", \.compression.memoryMax, .bytes(0) ... .gibibytes(64))
    package static let contextIdleTimeout = RangedSetting(
        "compression.contextIdleTimeout", \.compression.contextIdleTimeout,
        .seconds(1) ... .days(1))

    // MARK: - Topics

    package static let topicsPerConnectionMax = RangedSetting(
        "topics.perConnectionMax", \.topics.perConnectionMax, 1...4_096)
    package static let topicNameSizeMax = RangedSetting(
        "topics.nameSizeMax", \.topics.nameSizeMax, 1...4_096)
    package static let topicBacklogMax = RangedSetting(
        "topics.backlogMax", \.topics.backlogMax, .mebibytes(1) ... .gibibytes(64))

    // MARK: - All

    package static let all: [any AnyRangedSetting] = [
        loops, backlog, slowTurn, connectionsMax, connectionsPerAddressMax, messageSizeMax,
        assemblySizeMax, memoryMax, messageTimeout, frameSizeMax, fragmentsMax, messageRateMax,
        byteRateMax, unauthenticatedMessageSizeMax, authenticationTimeout, outboxHighWater,
        outboxMax, handshakeTimeout, handshakeSizeMax, handshakeHeadersMax,
        handshakesMax, bodySizeMax,
        idleTimeout, lifetime, closeTimeout, heartbeatInterval, heartbeatTimeout, drainDelay,
        drainSpread,
        drainDeadline, overloadLoopLag, overloadOnset, overloadMemory, overloadFreeDescriptors,
        overloadRecovery, compressionLevel, compressionMemoryLevel, compressionThreshold,
        serverWindowBits, clientWindowBits, compressionMemoryMax, contextIdleTimeout,
        topicsPerConnectionMax, topicNameSizeMax, topicBacklogMax,
    ]

    package static let rules: [SettingRule] = [
        SettingRule(assemblySizeMax, .atLeast, messageSizeMax),
        SettingRule(frameSizeMax, .atMost, messageSizeMax),
        SettingRule(outboxHighWater, .atMost, outboxMax),
        SettingRule(drainDeadline, .atLeast, drainSpread),
    ]
}

/// A rule about two settings of one kind.
package struct SettingRule: Sendable {
    package enum Relation: String, Sendable {
        case atLeast = "at least"
        case atMost = "at most"
    }

    /// The name of the setting that an error is about.
    package let name: String
    package let relation: Relation
    /// The name of the setting that it is compared with.
    package let other: String
    package let holds: @Sendable (ServerConfiguration) -> Bool
    private let texts: @Sendable (ServerConfiguration) -> (String, String)

    init<Value>(
        _ setting: RangedSetting<Value>, _ relation: Relation, _ other: RangedSetting<Value>
    ) {
        name = setting.name
        self.relation = relation
        self.other = other.name
        holds = { configuration in
            guard let a = setting.value(configuration), let b = other.value(configuration) else {
                return true
            }
            return relation == .atLeast ? a >= b : a <= b
        }
        texts = { (setting.text(in: $0), other.text(in: $0)) }
    }

    func error(in configuration: ServerConfiguration) -> ConfigurationError? {
        if holds(configuration) { return nil }
        let (value, limit) = texts(configuration)
        return ConfigurationError(
            name: name, value: value, allowed: "\(relation.rawValue) \(other), which is \(limit)")
    }
}

extension ByteCount {
    fileprivate static func gibibytes(_ count: Int) -> ByteCount { ByteCount(count << 30) }
}

extension Duration {
    fileprivate static func hours(_ count: Int) -> Duration { .seconds(count * 3_600) }
    fileprivate static func days(_ count: Int) -> Duration { .seconds(count * 86_400) }
}
