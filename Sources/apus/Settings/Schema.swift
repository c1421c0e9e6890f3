import RealtimeApp
import WebSocketServer

/// The list of all configuration keys, in the order of the shipped file.
enum Schema {
    static let keys: [Key] =
        server + tls + limits + heartbeatAndDrain + compression + topics + broker + proxies + tasks
        + auth + routes + logging

    static func key(named name: String) -> Key? { byName[name] }

    /// All proper prefixes of keys: `limits`, `limits.message`, …
    static let sections: Set<String> = Set(
        keys.flatMap { key in
            key.name.indices.filter { key.name[$0] == "." }.map { String(key.name[..<$0]) }
        })

    private static let byName = Dictionary(uniqueKeysWithValues: keys.map { ($0.name, $0) })

    private static let server: [Key] = [
        Key(
            "server.host", Host(), \.host,
            "The address to listen on."),
        Key(
            "server.port", WholeNumber(0...65_535), \.port,
            "The TCP port to listen on; 0 picks a free one."),
        Key(
            "server.socket", SocketPath(), \.socket,
            """
            The path of a Unix-domain socket to listen on, in place of `server.host` and \
            `server.port`.
            """),
        Key(
            "server.loops", WholeNumber(1...256).orZero("one for each core"), \.loops,
            "The number of event loops. Each has a thread of its own."),
        Key(
            "server.backlog", WholeNumber(1...65_535), \.server.backlog,
            """
            The number of connections that the kernel queues on a listening socket until they \
            are accepted. The kernel lowers it to `net.core.somaxconn`.
            """),
        Key(
            "server.proxy_protocol", Choice([("off", .off), ("required", .required)]),
            \.server.proxies.proxyProtocol,
            """
            Whether each connection must begin with a PROXY protocol header, version 1 or 2. \
            Only `proxies.trusted` may send one; if that is empty, everyone may.
            """),
        Key(
            "server.tools", Choice.flag, \.tools,
            """
            Whether to serve `/echo`, `/echo/async`, `/broadcast` and `/topics` for test tools. \
            These routes never demand a token.
            """),
    ]

    private static let heartbeatAndDrain: [Key] = [
        Key(
            "heartbeat.interval", TimeSpan(.milliseconds(100) ... .seconds(86_400)).orZero("off"),
            \.server.heartbeat.interval,
            """
            The time without input from a client before the server sends a ping. It is up to a \
            tenth shorter for each connection, so that pings are spread.
            """),
        Key(
            "heartbeat.timeout", TimeSpan(.milliseconds(100) ... .seconds(3_600)),
            \.server.heartbeat.timeout,
            "The time for the pong, or any other input, to arrive after a ping."),
        Key(
            "drain.delay", TimeSpan(.zero ... .seconds(3_600)), \.server.drain.delay,
            """
            At a stop, everyone is still served for this time, while `/readyz` already answers \
            503.
            """),
        Key(
            "drain.spread", TimeSpan(.zero ... .seconds(3_600)), \.server.drain.spread,
            "At a stop, Close frames are spread over this time, which follows `drain.delay`."),
        Key(
            "drain.deadline", TimeSpan(.zero ... .seconds(3_600)), \.server.drain.deadline,
            """
            At a stop, connections that are still open this long after `drain.delay` are cut. At \
            least `drain.spread`.
            """),
        Key(
            "drain.close_code", Choice([("1001", 1001), ("1012", 1012)]),
            \.server.drain.closeCode,
            "The close code at a stop: 1001 is going away, 1012 is service restart."),
    ]

    private static let takeovers: [(word: String, value: Compression.ContextTakeover)] = [
        ("off", .off), ("shared", .shared), ("per_connection", .perConnection),
    ]

    private static let clientTakeovers = [("off", false), ("per_connection", true)]

    private static let compression: [Key] = [
        Key(
            "compression.enabled", Choice.flag, \.server.compression.isEnabled,
            "Whether to negotiate `permessage-deflate` with clients that offer it."),
        Key(
            "compression.engine", Choice([("auto", .automatic), ("zlib", .zlib)]),
            \.server.compression.engine,
            """
            The compression library: `auto` picks the faster one for each level and size, `zlib` \
            always uses zlib.
            """),
        Key(
            "compression.level", WholeNumber(1...9), \.server.compression.level,
            "The compression level: 1 is the fastest, 9 makes the smallest messages."),
        Key(
            "compression.memory_level", WholeNumber(1...9), \.server.compression.memoryLevel,
            """
            The memory of one of zlib's compressors, on zlib's own scale. Each event loop has a \
            few compressors.
            """),
        Key(
            "compression.threshold", Size(.bytes(0) ... .mebibytes(1_024)),
            \.server.compression.threshold,
            "The smallest payload that is compressed. Smaller ones are sent plain."),
        Key(
            "compression.server_window_bits", WholeNumber(9...15),
            \.server.compression.serverWindowBits,
            "The window of messages from the server, as a power of two: 12 is 4KiB."),
        Key(
            "compression.client_window_bits", WholeNumber(9...15),
            \.server.compression.clientWindowBits,
            """
            The window of messages from clients that let the server choose, as a power of two: \
            15 is 32KiB.
            """),
        Key(
            "compression.context_takeover", Choice(takeovers),
            \.server.compression.contextTakeover,
            """
            Whether messages from the server refer to earlier ones: `off` is none, `shared` is \
            publications only, `per_connection` is all messages of a connection.
            """),
        Key(
            "compression.client_context_takeover",
            Choice(clientTakeovers),
            \.server.compression.allowsPeerContextTakeover,
            "Whether messages from a client may refer to its earlier ones."),
        Key(
            "compression.memory.max", Size(.bytes(0) ... .mebibytes(65_536)),
            \.server.compression.memoryMax,
            "The memory for all `per_connection` contexts together."),
        Key(
            "compression.idle.timeout", TimeSpan(.seconds(1) ... .seconds(86_400)),
            \.server.compression.contextIdleTimeout,
            """
            The time without messages after which the server frees the context of what it sends \
            to a connection.
            """),
    ]

    private static let policies: [(word: String, value: SlowSubscriberPolicy)] = [
        ("disconnect", .disconnect), ("drop_oldest", .dropOldest), ("conflate", .conflate),
    ]

    private static let topics: [Key] = [
        Key(
            "topics.per_connection", WholeNumber(1...4_096), \.server.topics.perConnectionMax,
            "The number of topics that one connection may subscribe to."),
        Key(
            "topics.name.max", WholeNumber(1...4_096), \.server.topics.nameSizeMax,
            "The length of a topic's name, in bytes."),
        Key(
            "topics.slow_subscribers", Choice(policies), \.server.topics.slowSubscribers,
            """
            What happens to a slow consumer's queued publications beyond `limits.outbox.max`: \
            `disconnect` closes the connection, `drop_oldest` drops the oldest, `conflate` keeps \
            only the newest of each key.
            """),
        Key(
            "topics.rules", TopicRules(policies: Choice(policies)), \.server.topics.rules,
            """
            Other policies than `topics.slow_subscribers`, by the prefix of a topic's name. The \
            first match counts: `quotes/=conflate`, `logs/=drop_oldest`.
            """),
        Key(
            "topics.backlog.max", Size(.mebibytes(1) ... .mebibytes(65_536)),
            \.server.topics.backlogMax,
            """
            The memory for publications that wait for slow consumers. As much may wait for the \
            event loops.
            """),
    ]

    /// The keys that a route may override.
    private static let routes: [Key] = RealtimeApp.Route.allCases.flatMap { route in
        let name = "routes.\(route.rawValue)"
        return [
            Key(
                "\(name).first_message", Choice.flag.inherited,
                \.auth.acceptsFirstMessageOn[route],
                "Replaces `auth.first_message` on `\(route.path)`."),
            Key(
                "\(name).message.max", Size(.bytes(1) ... .mebibytes(1_024)).inherited,
                \.routes[route].messageSizeMax,
                "Replaces `limits.message.max` on `\(route.path)`."),
            Key(
                "\(name).rate.messages",
                WholeNumber(1...10_000_000).orZero("off").inherited,
                \.routes[route].messageRateMax,
                "Replaces `limits.rate.messages` on `\(route.path)`."),
            Key(
                "\(name).rate.bytes",
                Size(.kibibytes(1) ... .mebibytes(65_536)).orZero("off").inherited,
                \.routes[route].byteRateMax,
                "Replaces `limits.rate.bytes` on `\(route.path)`."),
            Key(
                "\(name).compression.enabled", Choice.flag.inherited,
                \.routes[route].isCompressionEnabled,
                "Replaces `compression.enabled` on `\(route.path)`."),
            Key(
                "\(name).compression.level", WholeNumber(1...9).inherited,
                \.routes[route].compressionLevel,
                "Replaces `compression.level` on `\(route.path)`."),
            Key(
                "\(name).compression.memory_level", WholeNumber(1...9).inherited,
                \.routes[route].compressionMemoryLevel,
                "Replaces `compression.memory_level` on `\(route.path)`."),
            Key(
                "\(name).compression.threshold", Size(.bytes(0) ... .mebibytes(1_024)).inherited,
                \.routes[route].compressionThreshold,
                "Replaces `compression.threshold` on `\(route.path)`."),
            Key(
                "\(name).compression.server_window_bits", WholeNumber(9...15).inherited,
                \.routes[route].serverWindowBits,
                "Replaces `compression.server_window_bits` on `\(route.path)`."),
            Key(
                "\(name).compression.client_window_bits", WholeNumber(9...15).inherited,
                \.routes[route].clientWindowBits,
                "Replaces `compression.client_window_bits` on `\(route.path)`."),
            Key(
                "\(name).compression.context_takeover", Choice(takeovers).inherited,
                \.routes[route].contextTakeover,
                "Replaces `compression.context_takeover` on `\(route.path)`."),
            Key(
                "\(name).compression.client_context_takeover",
                Choice(clientTakeovers).inherited,
                \.routes[route].allowsPeerContextTakeover,
                "Replaces `compression.client_context_takeover` on `\(route.path)`."),
            Key(
                "\(name).heartbeat.interval",
                TimeSpan(.milliseconds(100) ... .seconds(86_400)).orZero("off").inherited,
                \.routes[route].heartbeatInterval,
                "Replaces `heartbeat.interval` on `\(route.path)`."),
            Key(
                "\(name).heartbeat.timeout",
                TimeSpan(.milliseconds(100) ... .seconds(3_600)).inherited,
                \.routes[route].heartbeatTimeout,
                "Replaces `heartbeat.timeout` on `\(route.path)`."),
        ]
    }

    private static let logging: [Key] = [
        Key(
            "log.level", Choice.logLevel, \.logLevel,
            "The lowest level that is logged."),
        Key(
            "log.slow_turn", TimeSpan(.milliseconds(1) ... .seconds(3_600)).orZero("off"),
            \.server.slowTurn,
            "The CPU time of one turn of an event loop beyond which the turn is logged."),
    ]
}
