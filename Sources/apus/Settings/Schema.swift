import RealtimeApp
import WebSocketServer

/// The list of all configuration keys, in the order of the shipped file.
enum Schema {
    static let keys: [Key] =
        server + listening + handover + tls + limits + heartbeatAndDrain + overload + compression
        + topics + broker + proxies + tasks + auth + publish + routes + logging + admin

    static func key(named name: String) -> Key? { byName[name] }

    /// All proper prefixes of keys: `limits`, `limits.message`, …
    static let sections: Set<String> = Set(
        keys.flatMap { key in
            key.name.indices.filter { key.name[$0] == "." }.map { String(key.name[..<$0]) }
        })

    private static let byName = Dictionary(uniqueKeysWithValues: keys.map { ($0.name, $0) })

    private static let server: [Key] = [
        Key(
            "server.host", ListeningPlaces(), \.hosts,
            """
            The addresses to listen on. `localhost` is 127.0.0.1 and ::1, as far as the machine \
            has them.
            """),
        Key(
            "server.port", WholeNumber(ListenAddress.ports), \.port,
            "The TCP port to listen on; 0 picks a free one for each address."),
        Key(
            "server.socket", SocketPath(), \.socket,
            """
            The path of a Unix-domain socket to listen on, in place of `server.host` and \
            `server.port`.
            """),
        Key(
            "server.loops", RangedSettings.loops, zero: "one for each core",
            "The number of event loops. Each has a thread of its own."),
        Key(
            "server.backlog", RangedSettings.backlog,
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
            "heartbeat.interval", RangedSettings.heartbeatInterval, zero: "off",
            """
            The time without input from a client before the server sends a ping. It is up to a \
            tenth shorter for each connection, so that pings are spread.
            """),
        Key(
            "heartbeat.timeout", RangedSettings.heartbeatTimeout,
            "The time for the pong, or any other input, to arrive after a ping."),
        Key(
            "drain.delay", RangedSettings.drainDelay,
            """
            At a stop, everyone is still served for this time, while `/readyz` already answers \
            503.
            """),
        Key(
            "drain.spread", RangedSettings.drainSpread,
            "At a stop, Close frames are spread over this time, which follows `drain.delay`."),
        Key(
            "drain.deadline", RangedSettings.drainDeadline,
            """
            At a stop, connections that are still open this long after `drain.delay` are cut. At \
            least `drain.spread`.
            """),
        Key(
            "drain.close_code", Choice(Drain.closeCodes.map { ("\($0.rawValue)", $0) }),
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
            "compression.level", RangedSettings.compressionLevel,
            "The compression level: 1 is the fastest, 9 makes the smallest messages."),
        Key(
            "compression.memory_level", RangedSettings.compressionMemoryLevel,
            """
            The memory of one of zlib's compressors, on zlib's own scale. Each event loop has a \
            few compressors.
            """),
        Key(
            "compression.threshold", RangedSettings.compressionThreshold,
            "The smallest payload that is compressed. Smaller ones are sent plain."),
        Key(
            "compression.server_window_bits", RangedSettings.serverWindowBits,
            "The window of messages from the server, as a power of two: 12 is 4KiB."),
        Key(
            "compression.client_window_bits", RangedSettings.clientWindowBits,
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
            "compression.memory.max", RangedSettings.compressionMemoryMax,
            "The memory for all `per_connection` contexts together."),
        Key(
            "compression.idle.timeout", RangedSettings.contextIdleTimeout,
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
            "topics.per_connection", RangedSettings.topicsPerConnectionMax,
            "The number of topics that one connection may subscribe to."),
        Key(
            "topics.name.max", RangedSettings.topicNameSizeMax,
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
            "topics.backlog.max", RangedSettings.topicBacklogMax,
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
                "\(name).message.max", RangedSettings.messageSizeMax.kind.inherited,
                \.routes[route].messageSizeMax,
                "Replaces `limits.message.max` on `\(route.path)`."),
            Key(
                "\(name).rate.messages", RangedSettings.messageRateMax.kind.orZero("off").inherited,
                \.routes[route].messageRateMax,
                "Replaces `limits.rate.messages` on `\(route.path)`."),
            Key(
                "\(name).rate.bytes", RangedSettings.byteRateMax.kind.orZero("off").inherited,
                \.routes[route].byteRateMax,
                "Replaces `limits.rate.bytes` on `\(route.path)`."),
            Key(
                "\(name).compression.enabled", Choice.flag.inherited,
                \.routes[route].isCompressionEnabled,
                "Replaces `compression.enabled` on `\(route.path)`."),
            Key(
                "\(name).compression.level", RangedSettings.compressionLevel.kind.inherited,
                \.routes[route].compressionLevel,
                "Replaces `compression.level` on `\(route.path)`."),
            Key(
                "\(name).compression.memory_level",
                RangedSettings.compressionMemoryLevel.kind.inherited,
                \.routes[route].compressionMemoryLevel,
                "Replaces `compression.memory_level` on `\(route.path)`."),
            Key(
                "\(name).compression.threshold", RangedSettings.compressionThreshold.kind.inherited,
                \.routes[route].compressionThreshold,
                "Replaces `compression.threshold` on `\(route.path)`."),
            Key(
                "\(name).compression.server_window_bits",
                RangedSettings.serverWindowBits.kind.inherited,
                \.routes[route].serverWindowBits,
                "Replaces `compression.server_window_bits` on `\(route.path)`."),
            Key(
                "\(name).compression.client_window_bits",
                RangedSettings.clientWindowBits.kind.inherited,
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
                RangedSettings.heartbeatInterval.kind.orZero("off").inherited,
                \.routes[route].heartbeatInterval,
                "Replaces `heartbeat.interval` on `\(route.path)`."),
            Key(
                "\(name).heartbeat.timeout", RangedSettings.heartbeatTimeout.kind.inherited,
                \.routes[route].heartbeatTimeout,
                "Replaces `heartbeat.timeout` on `\(route.path)`."),
        ]
    }
}
