import WebSocketProtocol

/// The events that a server has counted since it started, over all of its event loops:
/// ``Server/counters()``.
///
/// Some values count what is there now; their comments say so. All others only grow.
// Each loop counts its own events in plain integers, which are added up on request.
public struct Counters: Sendable, Equatable {
    /// The number of accepted connections, including those that aren't WebSockets (yet).
    public internal(set) var accepted = 0
    /// The number of opened WebSockets.
    public internal(set) var opened = 0
    /// The number of ended WebSockets.
    public internal(set) var closedTotal = 0
    /// The number of ended WebSockets, by the close code that was reported to their handler.
    public internal(set) var closedByCode: [UInt16: Int] = [:]
    /// The number of peers' errors, by the close code that was sent.
    public internal(set) var failedByCode: [UInt16: Int] = [:]
    /// The number of WebSockets that were closed with 1008 after their upgrade or authentication,
    /// because as many connections were in use as a limit allows.
    public internal(set) var refusedByLimit = 0
    /// The number of requests that were answered 503, because too many connections were open or
    /// memory was used up.
    public internal(set) var refusedByHeadroom = 0
    /// The number of connections that were closed when they were accepted, because there was no
    /// room for them.
    public internal(set) var refusedAtAccept = 0
    /// The number of requests answered 503, and of connections closed when they were accepted,
    /// because the server was overloaded: see ``OverloadConfiguration``.
    public internal(set) var refusedByOverload = 0
    /// The number of connections that were evicted for newer ones: they awaited a request, had not
    /// authenticated, or were being closed.
    public internal(set) var evicted = 0
    /// The number of requests refused with 421, because their `Host` isn't one of the server's.
    public internal(set) var misdirected = 0
    /// The number of failed attempts to accept, for example because descriptors have run out.
    public internal(set) var acceptErrors = 0

    /// The messages and their bytes.
    public internal(set) var messages = MessageCounts()
    /// The compression of messages.
    public internal(set) var compression = CompressionCounts()
    /// The limits that clients have exceeded.
    public internal(set) var limits = LimitCounts()
    /// The topics, and their publications.
    public internal(set) var topics = TopicCounts()
    /// The TLS handshakes.
    public internal(set) var tls = TLSCounts()
    /// The number of times that the broker lost its subscriptions.
    public internal(set) var brokerGaps = 0
    /// The number of connections that were closed with 1012 for that: ``GapPolicy/close``.
    public internal(set) var closedForGaps = 0
    /// The number of connections' publications that the broker refused. They are lost.
    public internal(set) var publicationsRefused = 0

    /// The number of pings that heartbeats have sent. Those of ``Connection/ping(_:)`` don't count.
    public internal(set) var pingsSent = 0
    /// The number of received pings. Each was answered, unless its connection was closing.
    public internal(set) var pingsReceived = 0
    /// The number of received pongs.
    public internal(set) var pongsReceived = 0
    /// The number of connections closed with 1011 because of ``Heartbeat/timeout``.
    public internal(set) var heartbeatTimeouts = 0
    /// The number of connections closed with 1001 because of ``Limits/idleTimeout``.
    public internal(set) var idleTimeouts = 0
    /// The number of connections closed with 1012 at the end of their ``Limits/lifetime``.
    public internal(set) var lifetimesOver = 0
    /// The number of connections whose request, or whose client, took longer than
    /// ``Limits/handshakeTimeout``. Kept-alive connections without a further request count, too.
    public internal(set) var handshakeTimeouts = 0
    /// The number of connections cut because of ``Limits/closeTimeout``.
    public internal(set) var closeTimeouts = 0
    /// The number of slow consumers that were disconnected, with 4008 or by a reset.
    public internal(set) var slowConsumers = 0
    /// The number of times that connections were closed because memory was used up.
    public internal(set) var shed = 0
    /// The number of requests whose head was received, upgrades included.
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
        refusedByOverload += other.refusedByOverload
        misdirected += other.misdirected
        acceptErrors += other.acceptErrors
        messages.add(other.messages)
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

/// The counters of messages and of the bytes of their payloads.
public struct MessageCounts: Sendable, Equatable {
    /// The number of messages that handlers have received.
    public internal(set) var messagesReceived: UInt64 = 0
    /// The number of messages that were sent to open connections. A publication counts once for
    /// each subscriber.
    public internal(set) var messagesSent: UInt64 = 0
    /// The bytes of the received payloads, after decompression.
    public internal(set) var bytesReceived: UInt64 = 0
    /// The bytes of the sent payloads, before compression.
    public internal(set) var bytesSent: UInt64 = 0

    init() {}

    mutating func add(_ other: MessageCounts) {
        messagesReceived &+= other.messagesReceived
        messagesSent &+= other.messagesSent
        bytesReceived &+= other.bytesReceived
        bytesSent &+= other.bytesSent
    }
}

/// The number of times that peers exceeded a limit, by kind.
public struct LimitCounts: Sendable, Equatable {
    /// The connections closed with 1009: a frame exceeded ``Limits/frameSizeMax``.
    public var frameSize: UInt64 { self[.frameSize] }
    /// The connections closed with 1009: a message exceeded ``Limits/messageSizeMax``.
    public var messageSize: UInt64 { self[.messageSize] }
    /// The connections closed with 1009: a message exceeded ``Limits/fragmentsMax``.
    public var fragments: UInt64 { self[.fragments] }
    /// The connections closed with 1009: a compressed message would have exceeded
    /// ``Limits/messageSizeMax`` when decompressed.
    public var inflatedSize: UInt64 { self[.inflatedSize] }
    /// The connections closed with 1013: all partly received messages together exceeded
    /// ``Limits/assemblySizeMax``.
    public var assemblySize: UInt64 { self[.assemblySize] }
    /// The number of times that a connection exceeded ``Limits/messageRateMax``, and was paused or
    /// closed (``Limits/ratePolicy``).
    public var messageRate: UInt64 { self[.messageRate] }
    /// The number of times that a connection exceeded ``Limits/byteRateMax``, and was paused or
    /// closed (``Limits/ratePolicy``).
    public var byteRate: UInt64 { self[.byteRate] }
    /// The connections closed with 1008: a message took longer than ``Limits/messageTimeout``.
    public var messageTime: UInt64 { self[.messageTime] }
    /// The connections closed with 1013, answered 503 or reset: those that held the most when the
    /// server's memory was used up.
    public var memory: UInt64 { self[.memory] }
    /// The connections closed with 3000: the peer did not authenticate within
    /// ``Limits/authenticationTimeout``.
    public var authenticationTime: UInt64 { self[.authenticationTime] }

    private var counts = [UInt64](repeating: 0, count: SessionLimit.allCases.count)

    init() {}

    subscript(limit: SessionLimit) -> UInt64 { counts[limit.rawValue] }

    mutating func hit(_ limit: SessionLimit) { counts[limit.rawValue] += 1 }

    mutating func add(_ other: LimitCounts) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }
}
