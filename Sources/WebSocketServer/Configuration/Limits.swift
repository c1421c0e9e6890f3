/// The limits on what peers may cost the server. Sizes are in bytes.
public struct Limits: Sendable {
    /// The number of connections in use, over the whole server.
    ///
    /// A WebSocket is in use while it is open, from its authentication on if it has to
    /// authenticate. An HTTP connection is in use while a request is being answered. All other
    /// connections are waiting. When places run out, the address with the most waiting connections
    /// loses its oldest one.
    ///
    /// Further connections are refused in steps. The headroom is an eighth of the limit, between 1
    /// and 1,024:
    /// - As many connections are in use as the limit allows: a WebSocket is opened and closed with
    ///   1008; requests are answered.
    /// - More connections are open than the limit plus the headroom, or ``memoryMax`` is exceeded:
    ///   every request is answered 503 with `Retry-After`.
    /// - File descriptors run short: the connection is closed when it is accepted.
    ///
    /// `nil` derives the limit from `RLIMIT_NOFILE`, less 128 descriptors for everything else: the
    /// server raises the soft limit to the hard one when it starts. A higher value is lowered to
    /// the same limit. Default `nil`, `1 ... 10_000_000`.
    public var connectionsMax: Int?
    /// The number of connections in use from one address (IPv6: one /64 network).
    ///
    /// Further connections are refused in the same steps, but none is evicted: a connection beyond
    /// the limit plus twice the headroom is closed when it is accepted. `nil` means no limit.
    ///
    /// Default `nil`, because all clients of a proxy that ``ProxyConfiguration`` doesn't trust share one
    /// address. `1 ... 10_000_000`.
    public var connectionsPerAddressMax: Int?

    /// The size of a message's payload after decompression. A larger message is closed with 1009.
    /// Default 1 MiB, `1 ... 1 GiB`.
    public var messageSizeMax: ByteCount = .mebibytes(1)
    /// The memory of all partly received messages together, over all connections. Beyond it, the
    /// connections that hold the most are closed with 1013. Default 256 MiB, `1 ... 64 GiB`, at
    /// least ``messageSizeMax``.
    public var assemblySizeMax: ByteCount = .mebibytes(256)
    /// The memory that peers can make the server hold, over all connections: partly received
    /// messages, requests, unprocessed bytes, and queued output. Beyond it, the connections that
    /// hold the most are closed with 1013, their requests are answered 503, and those that don't
    /// read are reset. A value below ``assemblySizeMax`` is raised to it. Default 512 MiB,
    /// `1 MiB ... 1 TiB`.
    public var memoryMax: ByteCount = .mebibytes(512)
    /// The time in which a message must arrive completely once a part of it is kept. Beyond it, the
    /// connection is closed with 1008. Default 1 min, `10 ms ... 1 d`.
    public var messageTimeout: Duration = .seconds(60)
    /// The size of a frame's payload. A larger frame is closed with 1009. `nil` means
    /// ``messageSizeMax``. Default `nil`, `1 ... 1 GiB`, at most ``messageSizeMax``.
    public var frameSizeMax: ByteCount?
    /// The number of frames in a message. A message of more frames is closed with 1009. `nil` lets
    /// the number grow with the message: 1,024, plus one for every 128 bytes of payload. Default
    /// `nil`, `1 ... 1_000_000`.
    public var fragmentsMax: Int?

    /// The messages per second that a connection may send, and the size of a burst. `nil` means no
    /// limit. Default `nil`, `1 ... 10_000_000`.
    public var messageRateMax: Int?
    /// The bytes per second that a connection may send, and the size of a burst. The larger of the
    /// received and the decompressed size counts. `nil` means no limit. Default `nil`,
    /// `1 KiB ... 64 GiB`.
    public var byteRateMax: ByteCount?
    /// The treatment of a connection that exceeds its rates. Default ``RatePolicy/pause``.
    public var ratePolicy = RatePolicy.pause

    /// The size of a message's payload until ``Connection/markAuthenticated()`` is called, on
    /// routes that await authentication. A larger message is closed with 1009. Default 16 KiB, `1
    /// ... 1 MiB`.
    public var unauthenticatedMessageSizeMax: ByteCount = .kibibytes(16)
    /// The time in which such a connection must authenticate. Beyond it, the connection is closed
    /// with 3000. Default 10 s, `10 ms ... 1 h`.
    public var authenticationTimeout: Duration = .seconds(10)

    /// The queued output of a connection, in bytes, at which `send` reports backpressure and
    /// reading from the connection pauses. Default 64 KiB, `1 ... 1 GiB`, at most ``outboxMax``.
    public var outboxHighWater: ByteCount = .kibibytes(64)
    /// The queued output of a connection, in bytes, beyond which it is a slow consumer and is
    /// closed with 4008. The output queued *before* a message counts, so one message always fits.
    /// Default 1 MiB, `1 ... 4 GiB`.
    public var outboxMax: ByteCount = .mebibytes(1)

    /// The time in which a request's head must arrive, and then its body. Beyond it, the request is
    /// answered 408 (RFC 9110 §15.5.9). A kept-alive connection without a request is closed after
    /// the same time. It is also the time that a route may take to decide on an upgrade. Beyond it,
    /// the decision is cancelled and the request answered 503. Default 10 s, `10 ms ... 1 h`.
    public var handshakeTimeout: Duration = .seconds(10)
    /// The size of a request's head: the request line and the header fields. A larger one is
    /// answered 414 or 431. Default 8 KiB, `256 ... 2 MiB`.
    public var handshakeSizeMax: ByteCount = .kibibytes(8)
    /// The number of header lines of a request. A request with more is answered 431. Default 64,
    /// `1 ... 1_000`.
    public var handshakeHeadersMax: Int = 64
    /// The number of TLS handshakes in progress, from a client's first byte to its last message,
    /// over the whole server. Beyond it, the oldest one is ended: an honest client takes only a few
    /// round trips. Default 1,024, `1 ... 1_000_000`.
    public var handshakesMax: Int = 1_024
    /// The size of a request's body. A larger one is answered 413. Default 64 KiB, `0 ... 1 GiB`.
    public var bodySizeMax: ByteCount = .kibibytes(64)

    /// The time without messages in either direction after which a WebSocket connection is closed
    /// with 1001. Pings and pongs don't count. `nil` means never. Default `nil`, `10 ms ... 30 d`.
    public var idleTimeout: Duration?
    /// The time after which a server closes a WebSocket connection with 1012 (service restart:
    /// reconnect), so that clients spread over all instances again. It is up to a tenth shorter for
    /// each connection, so that clients that connected together don't leave together. Clients
    /// ignore it. `nil` means never. Default `nil`, `10 ms ... 30 d`.
    public var lifetime: Duration?
    /// The time in which the peer must answer a Close frame, and must close its side of the TCP
    /// connection after the last byte was sent. It starts again whenever the peer has received some
    /// of the queued output. Default 5 s, `10 ms ... 1 h`.
    public var closeTimeout: Duration = .seconds(5)

    /// The treatment of a connection that exceeds its rates.
    public enum RatePolicy: Sendable, Hashable {
        /// Reading pauses until the connection is within its rates again. Nothing is lost.
        case pause
        /// The connection is closed with 1008.
        case close
    }

    /// Creates the default limits.
    public init() {}
}

/// A number of bytes, such as `.kibibytes(64)`.
public struct ByteCount: Sendable, Hashable, Comparable {
    /// The number of bytes.
    public var bytes: Int

    /// Creates a number of bytes.
    public init(_ bytes: Int) { self.bytes = bytes }
    /// Returns a number of bytes.
    public static func bytes(_ count: Int) -> ByteCount { ByteCount(count) }
    /// Returns a number of kibibytes, of 1,024 bytes each.
    public static func kibibytes(_ count: Int) -> ByteCount { ByteCount(count << 10) }
    /// Returns a number of mebibytes, of 1,048,576 bytes each.
    public static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count << 20) }

    public static func < (a: ByteCount, b: ByteCount) -> Bool { a.bytes < b.bytes }
}
