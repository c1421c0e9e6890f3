import WebSocketProtocol

/// The events counted on one loop: plain integers, summed over the loops on request.
public struct Counters: Sendable, Equatable {
    /// The number of accepted streams, and of opened and ended WebSocket connections.
    public internal(set) var accepted = 0
    public internal(set) var opened = 0
    public internal(set) var closedTotal = 0
    /// The number of ended connections, by the close code that was reported to their handler.
    public internal(set) var closedByCode: [UInt16: Int] = [:]
    /// The number of peers' errors, by the close code that was sent.
    public internal(set) var failedByCode: [UInt16: Int] = [:]
    /// The connections refused because of the limits of connections: closed with 1008 after the
    /// upgrade, answered 503 before it, or closed when they were accepted.
    public internal(set) var refusedByLimit = 0
    public internal(set) var refusedByHeadroom = 0
    public internal(set) var refusedAtAccept = 0
    /// The connections evicted for newer ones: they awaited a request, had not authenticated, or
    /// were being closed.
    public internal(set) var evicted = 0
    /// The number of failed attempts to accept, for example because descriptors have run out.
    public internal(set) var acceptErrors = 0

    public internal(set) var messages = MessageCounts()
    public internal(set) var compression = CompressionCounts()
    public internal(set) var limits = LimitCounts()
    public internal(set) var topics = TopicCounts()
    public internal(set) var tls = TLSCounts()
    /// The number of times that the broker lost its subscriptions, and of connections closed for
    /// that.
    public internal(set) var brokerGaps = 0
    public internal(set) var closedForGaps = 0
    /// The number of connections' publications that the broker refused. They are lost.
    public internal(set) var publicationsRefused = 0

    public internal(set) var pingsSent = 0
    public internal(set) var pingsReceived = 0
    public internal(set) var pongsReceived = 0
    public internal(set) var heartbeatTimeouts = 0
    public internal(set) var idleTimeouts = 0
    /// The number of connections that were closed at the end of their lifetime.
    public internal(set) var lifetimesOver = 0
    public internal(set) var handshakeTimeouts = 0
    public internal(set) var closeTimeouts = 0
    public internal(set) var slowConsumers = 0
    /// The number of times that connections were closed because memory was used up.
    public internal(set) var shed = 0
    public internal(set) var requests = 0

    init() {}

    mutating func closed(_ code: CloseCode) {
        closedTotal += 1
        closedByCode[code.rawValue, default: 0] += 1
    }

    mutating func failed(_ code: CloseCode) { failedByCode[code.rawValue, default: 0] += 1 }

    /// Adds another loop's counts.
    mutating func add(_ other: Counters) {
        accepted += other.accepted
        opened += other.opened
        closedTotal += other.closedTotal
        closedByCode.merge(other.closedByCode, uniquingKeysWith: +)
        failedByCode.merge(other.failedByCode, uniquingKeysWith: +)
        refusedByLimit += other.refusedByLimit
        refusedByHeadroom += other.refusedByHeadroom
        refusedAtAccept += other.refusedAtAccept
        evicted += other.evicted
        acceptErrors += other.acceptErrors
        messages.messagesReceived += other.messages.messagesReceived
        messages.messagesSent += other.messages.messagesSent
        messages.bytesReceived += other.messages.bytesReceived
        messages.bytesSent += other.messages.bytesSent
        pingsSent += other.pingsSent
        pingsReceived += other.pingsReceived
        pongsReceived += other.pongsReceived
        heartbeatTimeouts += other.heartbeatTimeouts
        idleTimeouts += other.idleTimeouts
        lifetimesOver += other.lifetimesOver
        handshakeTimeouts += other.handshakeTimeouts
        closeTimeouts += other.closeTimeouts
        slowConsumers += other.slowConsumers
        shed += other.shed
        requests += other.requests
        compression.add(other.compression)
        limits.add(other.limits)
        topics.add(other.topics)
        tls.add(other.tls)
        brokerGaps += other.brokerGaps
        closedForGaps += other.closedForGaps
        publicationsRefused += other.publicationsRefused
    }
}

/// Messages and the bytes of their payloads.
public struct MessageCounts: Sendable, Equatable {
    public internal(set) var messagesReceived: UInt64 = 0
    public internal(set) var messagesSent: UInt64 = 0
    public internal(set) var bytesReceived: UInt64 = 0
    public internal(set) var bytesSent: UInt64 = 0

    init() {}
}

/// The number of times that peers exceeded a limit, by kind.
public struct LimitCounts: Sendable, Equatable {
    /// The connections closed with 1009: a frame or a message was too big, a message had too many
    /// frames, or it would have been too big when inflated.
    public var frameSize: UInt64 { self[.frameSize] }
    public var messageSize: UInt64 { self[.messageSize] }
    public var fragments: UInt64 { self[.fragments] }
    public var inflatedSize: UInt64 { self[.inflatedSize] }
    /// The connections closed with 1013: all partly received messages together were too big.
    public var assemblySize: UInt64 { self[.assemblySize] }
    /// The connections paused or closed, depending on ``Limits/ratePolicy``: too many messages or
    /// bytes per second.
    public var messageRate: UInt64 { self[.messageRate] }
    public var byteRate: UInt64 { self[.byteRate] }
    /// The connections closed with 1008: a message did not arrive completely in time.
    public var messageTime: UInt64 { self[.messageTime] }
    /// The connections closed with 1013, answered 503 or reset: those that held the most when the
    /// server's memory was used up.
    public var memory: UInt64 { self[.memory] }
    /// The connections closed with 3000: the peer did not authenticate in time.
    public var authenticationTime: UInt64 { self[.authenticationTime] }

    private var counts = [UInt64](repeating: 0, count: SessionLimit.allCases.count)

    init() {}

    subscript(limit: SessionLimit) -> UInt64 { counts[limit.rawValue] }

    mutating func hit(_ limit: SessionLimit) { counts[limit.rawValue] += 1 }

    mutating func add(_ other: LimitCounts) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }
}
