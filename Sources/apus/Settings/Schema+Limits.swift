import RealtimeApp
import WebSocketServer

/// The keys of limits on what clients may use.
extension Schema {
    static let limits: [Key] = [
        Key(
            "limits.connections.max", RangedSettings.connectionsMax, zero: "from RLIMIT_NOFILE",
            "The number of connections in use at the same time."),
        Key(
            "limits.connections.per_address", RangedSettings.connectionsPerAddressMax, zero: "off",
            """
            The number of connections in use from one address. All of an IPv6 /64 network count \
            as one address.
            """),
        Key(
            "limits.connections.per_user", WholeNumber(1...10_000_000).orZero("off"),
            \.auth.connectionsPerUser,
            """
            The number of WebSockets with tokens of one user (`sub`), on routes that demand a token.
            """),
        Key(
            "limits.message.max", RangedSettings.messageSizeMax,
            "The largest payload of a message, after inflating. At most `limits.assembly.max`."),
        Key(
            "limits.message.timeout", RangedSettings.messageTimeout,
            "The time for a message to arrive completely, once a part of it is kept."),
        Key(
            "limits.memory.max", RangedSettings.memoryMax,
            """
            The memory for everything that clients make the server hold: unfinished messages, \
            requests, unread input and queued output.
            """),
        Key(
            "limits.assembly.max", RangedSettings.assemblySizeMax,
            """
            The memory for all unfinished messages together. It is a part of \
            `limits.memory.max`.
            """),
        Key(
            "limits.frame.max", RangedSettings.frameSizeMax, zero: "as limits.message.max",
            "The largest payload of a frame. At most `limits.message.max`."),
        Key(
            "limits.fragments.max", RangedSettings.fragmentsMax, zero: "by the message's size",
            """
            The number of frames in one message. By size: 1,024, and one more for each 128 \
            bytes.
            """),
        Key(
            "limits.rate.messages", RangedSettings.messageRateMax, zero: "off",
            "The number of messages that one connection may send in a second, and in a burst."),
        Key(
            "limits.rate.bytes", RangedSettings.byteRateMax, zero: "off",
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
            "limits.before_auth.message", RangedSettings.unauthenticatedMessageSizeMax,
            "The largest message of a client that has yet to authenticate by its first message."),
        Key(
            "limits.before_auth.timeout", RangedSettings.authenticationTimeout,
            "The time for a client to authenticate by its first message."),
        Key(
            "limits.outbox.high_water", RangedSettings.outboxHighWater,
            """
            The queued output of a connection at which the server stops reading echoes and HTTP \
            requests from it. At most `limits.outbox.max`.
            """),
        Key(
            "limits.outbox.max", RangedSettings.outboxMax,
            "The queued output of a connection beyond which it is a slow consumer."),
        Key(
            "limits.handshake.timeout", RangedSettings.handshakeTimeout,
            """
            The time for the head of a request to arrive, for its body to arrive, and for a \
            kept-alive connection to send its next request.
            """),
        Key(
            "limits.handshake.size", RangedSettings.handshakeSizeMax,
            "The size of a request's head: request line and headers."),
        Key(
            "limits.handshake.headers", RangedSettings.handshakeHeadersMax,
            "The number of header lines of a request."),
        Key(
            "limits.handshakes.max", RangedSettings.handshakesMax,
            """
            The number of TLS handshakes in progress. Beyond it, the oldest one is ended. Each \
            event loop has an equal share.
            """),
        Key(
            "limits.body.max", RangedSettings.bodySizeMax,
            "The size of a request's body."),
        Key(
            "limits.idle.timeout", RangedSettings.idleTimeout, zero: "never",
            """
            The time without a message in either direction after which a WebSocket is closed. \
            Pings and pongs are no messages.
            """),
        Key(
            "limits.lifetime", RangedSettings.lifetime, zero: "unlimited",
            """
            The time after which a WebSocket is closed with 1012, so that clients spread over all \
            instances again. It is up to a tenth shorter for each connection.
            """),
        Key(
            "limits.close.timeout", RangedSettings.closeTimeout,
            """
            The time for a client to answer a Close frame, and to close its side of the \
            connection after the last byte.
            """),
    ]
}
