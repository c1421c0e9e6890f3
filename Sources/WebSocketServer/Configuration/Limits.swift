/// What peers may cost. Sizes are bytes; every limit is tested one past its value.
public struct Limits: Sendable {
    /// The connections in use, of the whole server: WebSockets that are open, and have
    /// authenticated if they must, and HTTP connections while a request is answered. Others wait,
    /// and are evicted when places run out: of the address with the most of them, the oldest.
    /// Default: from `RLIMIT_NOFILE`, less 128 descriptors for everything else; lowered to that
    /// when the server starts. `1 ... 10_000_000`.
    ///
    /// Further connections are refused by one ladder, where the headroom is an eighth of the limit,
    /// between 1 and 1,024:
    /// - The limit is in use: a WebSocket is opened and closed with 1008, requests are answered.
    /// - More are open than the limit and its headroom, or ``memoryMax`` is spent: each request is
    ///   answered 503 with `Retry-After`.
    /// - Descriptors run short: the connection is closed when it is accepted.
    public var connectionsMax: Int = Limits.connectionsFromDescriptors()
    /// The same for one address (IPv6: one /64), by the same ladder, except that none of its
    /// connections is evicted: with the limit and twice its headroom open, a new one is closed when
    /// it is accepted. `nil` is no limit. Default `nil`, since a proxy in front shares one address,
    /// unless ``ProxyOptions`` trust it. `1 ... 10_000_000`.
    public var connectionsPerAddressMax: Int?

    /// One message's payload. Default 1 MiB, `1 ... 1 GiB`.
    public var messageSizeMax: ByteCount = .mebibytes(1)
    /// All partly received messages of all connections together. Default 256 MiB,
    /// `1 ... 64 GiB`; never less than one message.
    public var assemblySizeMax: ByteCount = .mebibytes(256)
    /// Everything that peers can make the server hold, over all connections: partly received
    /// messages, requests, what was read and waits for its turn, and queued outgoing bytes. Past it
    /// the connections that hold the most are closed: with 1013, answered 503, or reset where they
    /// don't read. Default 512 MiB, `1 MiB ... 1 TiB`; never less than ``assemblySizeMax``.
    public var memoryMax: ByteCount = .mebibytes(512)
    /// Time for a message to come whole once a part of it is kept, after which the connection is
    /// closed with 1008. Default 1 min, `10 ms ... 1 d`.
    public var messageTimeout: Duration = .seconds(60)
    /// One frame's payload; `nil` means as large as a message may be. `1 ... 1 GiB`.
    public var frameSizeMax: ByteCount?
    /// Frames that one message may be split into; `nil` lets their number grow with its size: 1,024,
    /// and one more for each 128 bytes. Default `nil`, `1 ... 1_000_000`.
    public var fragmentsMax: Int?

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
