/// What peers may cost. Sizes are bytes; every limit is tested one past its value.
public struct Limits: Sendable {
    /// Open connections of the whole server; past it a new one is closed with 1008, and past
    /// an eighth more refused with 503 before the upgrade. Default: from `RLIMIT_NOFILE`,
    /// less 64 descriptors for everything else. `1 ... 10_000_000`.
    public var connectionsMax: Int = Limits.connectionsFromDescriptors()
    /// Open connections from one address (IPv6: one /64); `nil` is no limit. Default `nil`,
    /// since a proxy in front shares one address, unless ``ProxyOptions`` trust it.
    /// `1 ... 10_000_000`.
    public var connectionsPerAddressMax: Int?

    /// One message's payload. Default 1 MiB, `1 ... 1 GiB`.
    public var messageSizeMax: ByteCount = .mebibytes(1)
    /// All partly received messages of all connections together. Default 256 MiB,
    /// `1 ... 64 GiB`; never less than one message.
    public var assemblySizeMax: ByteCount = .mebibytes(256)
    /// One frame's payload; `nil` means as large as a message may be. `1 ... 1 GiB`.
    public var frameSizeMax: ByteCount?
    /// Frames that one message may be split into. Default 1,024, `1 ... 1_000_000`.
    public var fragmentsMax: Int = 1_024

    /// Messages a second that one connection may send, and a burst of as many; `nil` is no limit.
    /// Default `nil`, `1 ... 10_000_000`.
    public var messageRateMax: Int?
    /// Bytes a second that one connection may send, as received or as inflated, whichever is more,
    /// and a burst of as many; `nil` is no limit. Default `nil`, `1 KiB ... 64 GiB`.
    public var byteRateMax: ByteCount?
    /// What happens to a connection above its rates. Default ``RatePolicy/pause``.
    public var ratePolicy = RatePolicy.pause

    /// One message's payload before the connection is ``Connection/authenticated()``, on routes
    /// that wait for it. Default 16 KiB, `1 ... 1 MiB`.
    public var unauthenticatedMessageSizeMax: ByteCount = .kibibytes(16)
    /// Time for that, after which the connection is closed with 3000. Default 10 s,
    /// `10 ms ... 1 h`.
    public var authenticationTimeout: Duration = .seconds(10)

    /// Queued outgoing bytes at which `send` reports backpressure and echo-like handlers stop
    /// being read from. Default 64 KiB, `1 ... 1 GiB`.
    public var outboxHighWater: ByteCount = .kibibytes(64)
    /// Queued outgoing bytes past which a connection is a slow consumer and is closed. What was
    /// queued *before* counts, so one message always fits. Default 1 MiB, `1 ... 4 GiB`.
    public var outboxMax: ByteCount = .mebibytes(1)

    /// Time in which a request must have come, its head and then its body: 408 (RFC 9110
    /// §15.5.9). It also ends a connection that is kept alive and asks nothing. Default 10 s,
    /// `10 ms ... 1 h`.
    public var handshakeTimeout: Duration = .seconds(10)
    /// Request line and headers together. Default 8 KiB, `256 ... 2 MiB`.
    public var handshakeSizeMax: ByteCount = .kibibytes(8)
    /// Header lines of a request. Default 64, `1 ... 1_000`.
    public var handshakeHeadersMax: Int = 64
    /// A request's body. Default 64 KiB, `0 ... 1 GiB`.
    public var bodySizeMax: ByteCount = .kibibytes(64)

    /// Silence from the application on both sides (pings don't count) after which a WebSocket
    /// connection is closed with 1001; `nil` is never. Default `nil`, `10 ms ... 30 d`.
    public var idleTimeout: Duration?
    /// Time within which the peer must answer a Close frame, and close its side of the connection
    /// once it has been sent the last byte. It begins anew while the peer takes what it was sent
    /// before. Default 5 s, `10 ms ... 1 h`.
    public var closeTimeout: Duration = .seconds(5)

    /// What happens to a connection above its rates.
    public enum RatePolicy: Sendable, Hashable {
        /// It isn't read from until it is within them again: what it sends waits, nothing is lost.
        case pause
        /// It is closed with 1008.
        case close
    }

    public init() {}
}

/// A number of bytes.
public struct ByteCount: Sendable, Hashable, Comparable {
    public var bytes: Int

    public init(_ bytes: Int) { self.bytes = bytes }
    public static func bytes(_ count: Int) -> ByteCount { ByteCount(count) }
    public static func kibibytes(_ count: Int) -> ByteCount { ByteCount(count << 10) }
    public static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count << 20) }

    public static func < (a: ByteCount, b: ByteCount) -> Bool { a.bytes < b.bytes }
}
