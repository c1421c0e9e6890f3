import RealtimeApp
import WebSocketServer

/// The keys of limits on what clients may use.
extension Schema {
    static let limits: [Key] = [
        Key(
            "limits.connections.max",
            WholeNumber(1...10_000_000).orZero("from RLIMIT_NOFILE"), \.connectionsMax,
            "The number of connections in use at the same time."),
        Key(
            "limits.connections.per_address", WholeNumber(1...10_000_000).orZero("off"),
            \.server.limits.connectionsPerAddressMax,
            """
            The number of connections in use from one address. All of an IPv6 /64 network count \
            as one address.
            """),
        Key(
            "limits.message.max", Size(.bytes(1) ... .mebibytes(1_024)),
            \.server.limits.messageSizeMax,
            "The largest payload of a message, after inflating. At most `limits.assembly.max`."),
        Key(
            "limits.message.timeout", TimeSpan(.milliseconds(10) ... .seconds(86_400)),
            \.server.limits.messageTimeout,
            "The time for a message to arrive completely, once a part of it is kept."),
        Key(
            "limits.memory.max", Size(.mebibytes(1) ... .mebibytes(1 << 20)),
            \.server.limits.memoryMax,
            """
            The memory for everything that clients make the server hold: unfinished messages, \
            requests, unread input and queued output.
            """),
        Key(
            "limits.assembly.max", Size(.bytes(1) ... .mebibytes(65_536)),
            \.server.limits.assemblySizeMax,
            """
            The memory for all unfinished messages together. It is a part of \
            `limits.memory.max`.
            """),
        Key(
            "limits.frame.max",
            Size(.bytes(1) ... .mebibytes(1_024)).orZero("as limits.message.max"),
            \.server.limits.frameSizeMax,
            "The largest payload of a frame. At most `limits.message.max`."),
        Key(
            "limits.fragments.max", WholeNumber(1...1_000_000).orZero("by the message's size"),
            \.server.limits.fragmentsMax,
            """
            The number of frames in one message. By size: 1,024, and one more for each 128 \
            bytes.
            """),
        Key(
            "limits.rate.messages", WholeNumber(1...10_000_000).orZero("off"),
            \.server.limits.messageRateMax,
            "The number of messages that one connection may send in a second, and in a burst."),
        Key(
            "limits.rate.bytes", Size(.kibibytes(1) ... .mebibytes(65_536)).orZero("off"),
            \.server.limits.byteRateMax,
            """
            The bytes that one connection may send in a second, and in a burst, as received or \
            as inflated, whichever are more.
            """),
        Key(
            "limits.rate.policy", Choice([("pause", .pause), ("close", .close)]),
            \.server.limits.ratePolicy,
            """
            What happens to a connection above its rate: `pause` stops reading until the rate is \
            met, `close` closes it with 1008.
            """),
        Key(
            "limits.before_auth.message", Size(.bytes(1) ... .mebibytes(1)),
            \.server.limits.unauthenticatedMessageSizeMax,
            "The largest message of a client that has yet to authenticate by its first message."),
        Key(
            "limits.before_auth.timeout", TimeSpan(.milliseconds(10) ... .seconds(3_600)),
            \.server.limits.authenticationTimeout,
            "The time for a client to authenticate by its first message."),
        Key(
            "limits.outbox.high_water", Size(.bytes(1) ... .mebibytes(1_024)),
            \.server.limits.outboxHighWater,
            """
            The queued output of a connection at which the server stops reading echoes and HTTP \
            requests from it. At most `limits.outbox.max`.
            """),
        Key(
            "limits.outbox.max", Size(.bytes(1) ... .mebibytes(4_096)), \.server.limits.outboxMax,
            "The queued output of a connection beyond which it is a slow consumer."),
        Key(
            "limits.handshake.timeout", TimeSpan(.milliseconds(10) ... .seconds(3_600)),
            \.server.limits.handshakeTimeout,
            """
            The time for the head of a request to arrive, for its body to arrive, and for a \
            kept-alive connection to send its next request.
            """),
        Key(
            "limits.handshake.size", Size(.bytes(256) ... .mebibytes(2)),
            \.server.limits.handshakeSizeMax,
            "The size of a request's head: request line and headers."),
        Key(
            "limits.handshake.headers", WholeNumber(1...1_000),
            \.server.limits.handshakeHeadersMax,
            "The number of header lines of a request."),
        Key(
            "limits.handshakes.max", WholeNumber(1...1_000_000), \.server.limits.handshakesMax,
            """
            The number of TLS handshakes in progress. Beyond it, the oldest one is ended. Each \
            event loop has an equal share.
            """),
        Key(
            "limits.body.max", Size(.bytes(0) ... .mebibytes(1_024)), \.server.limits.bodySizeMax,
            "The size of a request's body."),
        Key(
            "limits.idle.timeout",
            TimeSpan(.milliseconds(10) ... .seconds(30 * 86_400)).orZero("never"),
            \.server.limits.idleTimeout,
            """
            The time without a message in either direction after which a WebSocket is closed. \
            Pings and pongs are no messages.
            """),
        Key(
            "limits.close.timeout", TimeSpan(.milliseconds(10) ... .seconds(3_600)),
            \.server.limits.closeTimeout,
            """
            The time for a client to answer a Close frame, and to close its side of the \
            connection after the last byte.
            """),
    ]
}
