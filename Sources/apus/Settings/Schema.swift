import RealtimeApp
import WebSocketServer

/// The one list of what can be configured, in the order of the shipped file.
enum Schema {
    static let keys: [Key] =
        server + limits + heartbeatAndDrain + compression + topics + broker + proxies + tasks
        + auth + routes + logging

    static func key(named name: String) -> Key? { byName[name] }

    /// Every proper prefix of a key: `limits`, `limits.message`, …
    static let sections: Set<String> = Set(
        keys.flatMap { key in
            key.name.indices.filter { key.name[$0] == "." }.map { String(key.name[..<$0]) }
        })

    private static let byName = Dictionary(uniqueKeysWithValues: keys.map { ($0.name, $0) })

    private static let server: [Key] = [
        Key(
            "server.host", Host(), \.host,
            "Where to listen"),
        Key(
            "server.port", WholeNumber(0...65_535), \.port,
            "TCP port, 0 picks a free one"),
        Key(
            "server.socket", SocketPath(), \.socket,
            "Unix-domain socket, replaces host and port"),
        Key(
            "server.loops", WholeNumber(1...256).orZero("as many as cores"), \.loops,
            "Event loops, a thread each"),
        Key(
            "server.backlog", WholeNumber(1...65_535), \.server.backlog,
            "Connections the kernel queues for each listener"),
        Key(
            "server.proxy_protocol", Choice([("off", .off), ("required", .required)]),
            \.server.proxies.proxyProtocol,
            "PROXY protocol, version 1 or 2, from proxies.trusted"),
        Key(
            "server.tools", Choice.flag, \.tools,
            "Serve /echo, /echo/async, /broadcast and /topics"),
    ]

    private static let limits: [Key] = [
        Key(
            "limits.connections.max",
            WholeNumber(1...10_000_000).orZero("from RLIMIT_NOFILE"), \.connectionsMax,
            "Open connections"),
        Key(
            "limits.connections.per_address", WholeNumber(1...10_000_000).orZero("off"),
            \.server.limits.connectionsPerAddressMax,
            "Open connections from one address or IPv6 /64"),
        Key(
            "limits.message.max", Size(.bytes(1) ... .mebibytes(1_024)),
            \.server.limits.messageSizeMax,
            "One message's payload"),
        Key(
            "limits.message.timeout", TimeSpan(.milliseconds(10) ... .seconds(86_400)),
            \.server.limits.messageTimeout,
            "Time for a message to arrive whole"),
        Key(
            "limits.memory.max", Size(.mebibytes(1) ... .mebibytes(1 << 20)),
            \.server.limits.memoryMax,
            "Everything that clients can make the server hold"),
        Key(
            "limits.assembly.max", Size(.bytes(1) ... .mebibytes(65_536)),
            \.server.limits.assemblySizeMax,
            "All partly received messages together"),
        Key(
            "limits.frame.max",
            Size(.bytes(1) ... .mebibytes(1_024)).orZero("as limits.message.max"),
            \.server.limits.frameSizeMax,
            "One frame's payload"),
        Key(
            "limits.fragments.max", WholeNumber(1...1_000_000).orZero("by the message's size"),
            \.server.limits.fragmentsMax,
            "Frames of one message"),
        Key(
            "limits.rate.messages", WholeNumber(1...10_000_000).orZero("off"),
            \.server.limits.messageRateMax,
            "Messages a second, and a burst, from one connection"),
        Key(
            "limits.rate.bytes", Size(.kibibytes(1) ... .mebibytes(65_536)).orZero("off"),
            \.server.limits.byteRateMax,
            "Bytes a second, received or inflated"),
        Key(
            "limits.rate.policy", Choice([("pause", .pause), ("close", .close)]),
            \.server.limits.ratePolicy,
            "Above its rates a connection rests unread, or is closed with 1008"),
        Key(
            "limits.before_auth.message", Size(.bytes(1) ... .mebibytes(1)),
            \.server.limits.unauthenticatedMessageSizeMax,
            "A message's payload before a peer has proved itself"),
        Key(
            "limits.before_auth.timeout", TimeSpan(.milliseconds(10) ... .seconds(3_600)),
            \.server.limits.authenticationTimeout,
            "Time for a peer to prove who it is"),
        Key(
            "limits.outbox.high_water", Size(.bytes(1) ... .mebibytes(1_024)),
            \.server.limits.outboxHighWater,
            "Queued bytes that mean backpressure"),
        Key(
            "limits.outbox.max", Size(.bytes(1) ... .mebibytes(4_096)), \.server.limits.outboxMax,
            "Queued bytes past which a slow consumer is closed"),
        Key(
            "limits.handshake.timeout", TimeSpan(.milliseconds(10) ... .seconds(3_600)),
            \.server.limits.handshakeTimeout,
            "Time for a request to arrive, its head and then its body"),
        Key(
            "limits.handshake.size", Size(.bytes(256) ... .mebibytes(2)),
            \.server.limits.handshakeSizeMax,
            "Request line and headers together"),
        Key(
            "limits.handshake.headers", WholeNumber(1...1_000),
            \.server.limits.handshakeHeadersMax,
            "Header lines of a request"),
        Key(
            "limits.body.max", Size(.bytes(0) ... .mebibytes(1_024)), \.server.limits.bodySizeMax,
            "A request's body"),
        Key(
            "limits.idle.timeout",
            TimeSpan(.milliseconds(10) ... .seconds(30 * 86_400)).orZero("never"),
            \.server.limits.idleTimeout,
            "Silence, pings apart, that ends a connection"),
        Key(
            "limits.close.timeout", TimeSpan(.milliseconds(10) ... .seconds(3_600)),
            \.server.limits.closeTimeout,
            "Time for the peer to answer a Close frame"),
    ]

    private static let heartbeatAndDrain: [Key] = [
        Key(
            "heartbeat.interval", TimeSpan(.milliseconds(100) ... .seconds(86_400)).orZero("off"),
            \.server.heartbeat.interval,
            "Silence before a ping"),
        Key(
            "heartbeat.timeout", TimeSpan(.milliseconds(100) ... .seconds(3_600)),
            \.server.heartbeat.timeout,
            "Time for the pong to arrive"),
        Key(
            "drain.delay", TimeSpan(.zero ... .seconds(3_600)), \.server.drain.delay,
            "Time at a stop in which all are served and readiness says no"),
        Key(
            "drain.spread", TimeSpan(.zero ... .seconds(3_600)), \.server.drain.spread,
            "Time over which Close frames are spread at a stop"),
        Key(
            "drain.deadline", TimeSpan(.zero ... .seconds(3_600)), \.server.drain.deadline,
            "Time after which a stop cuts what is still open"),
        Key(
            "drain.close_code", Choice([("1001", 1001), ("1012", 1012)]),
            \.server.drain.closeCode,
            "Close code at a stop, going away or restart"),
    ]

    private static let takeovers: [(word: String, value: Compression.ContextTakeover)] = [
        ("off", .off), ("shared", .shared), ("per_connection", .perConnection),
    ]

    private static let clientTakeovers = [("off", false), ("per_connection", true)]

    private static let compression: [Key] = [
        Key(
            "compression.enabled", Choice.flag, \.server.compression.isEnabled,
            "Agree on permessage-deflate with clients that offer it"),
        Key(
            "compression.engine", Choice([("auto", .automatic), ("zlib", .zlib)]),
            \.server.compression.engine,
            "auto is the faster library for the level"),
        Key(
            "compression.level", WholeNumber(1...9), \.server.compression.level,
            "1 is the fastest, 9 the smallest"),
        Key(
            "compression.memory_level", WholeNumber(1...9), \.server.compression.memoryLevel,
            "Memory of one of zlib's compressors, of which each loop has a few"),
        Key(
            "compression.threshold", Size(.bytes(0) ... .mebibytes(1_024)),
            \.server.compression.threshold,
            "Payloads below this go out plain"),
        Key(
            "compression.server_window_bits", WholeNumber(9...15),
            \.server.compression.serverWindowBits,
            "Window of what the server sends, 2 to the power of that in bytes"),
        Key(
            "compression.client_window_bits", WholeNumber(9...15),
            \.server.compression.clientWindowBits,
            "Window of what clients send, if they let us choose"),
        Key(
            "compression.context_takeover", Choice(takeovers),
            \.server.compression.contextTakeover,
            "Whether what the server sends refers to earlier messages"),
        Key(
            "compression.client_context_takeover",
            Choice(clientTakeovers),
            \.server.compression.allowsPeerContextTakeover,
            "Whether what clients send may refer to their earlier messages"),
        Key(
            "compression.memory.max", Size(.bytes(0) ... .mebibytes(65_536)),
            \.server.compression.memoryMax,
            "All contexts together"),
        Key(
            "compression.idle.timeout", TimeSpan(.seconds(1) ... .seconds(86_400)),
            \.server.compression.contextIdleTimeout,
            "Silence after which a context is given back"),
    ]

    private static let policies: [(word: String, value: SlowSubscriberPolicy)] = [
        ("disconnect", .disconnect), ("drop_oldest", .dropOldest), ("conflate", .conflate),
    ]

    private static let topics: [Key] = [
        Key(
            "topics.per_connection", WholeNumber(1...4_096), \.server.topics.perConnectionMax,
            "Topics that one connection may subscribe to"),
        Key(
            "topics.name.max", WholeNumber(1...4_096), \.server.topics.nameSizeMax,
            "Bytes of a topic's name"),
        Key(
            "topics.slow_subscribers", Choice(policies), \.server.topics.slowSubscribers,
            "Who goes past limits.outbox.max"),
        Key(
            "topics.rules", TopicRules(policies: Choice(policies)), \.server.topics.rules,
            "Other policies by a topic's prefix"),
        Key(
            "topics.backlog.max", Size(.mebibytes(1) ... .mebibytes(65_536)),
            \.server.topics.backlogMax,
            "What waits for slow subscribers"),
    ]

    /// What a route may have of its own.
    private static let routes: [Key] = RealtimeApp.Route.allCases.flatMap { route in
        let name = "routes.\(route.rawValue)"
        return [
            Key(
                "\(name).first_message", Choice.flag.inherited,
                \.auth.acceptsFirstMessageOn[route],
                "Its token may come as first message on \(route.path)"),
            Key(
                "\(name).message.max", Size(.bytes(1) ... .mebibytes(1_024)).inherited,
                \.routes[route].messageSizeMax,
                "One message on \(route.path)"),
            Key(
                "\(name).rate.messages",
                WholeNumber(1...10_000_000).orZero("off").inherited,
                \.routes[route].messageRateMax,
                "Messages a second from one connection"),
            Key(
                "\(name).rate.bytes",
                Size(.kibibytes(1) ... .mebibytes(65_536)).orZero("off").inherited,
                \.routes[route].byteRateMax,
                "Bytes a second"),
            Key(
                "\(name).compression.enabled", Choice.flag.inherited,
                \.routes[route].isCompressionEnabled,
                "Agree on permessage-deflate"),
            Key(
                "\(name).compression.level", WholeNumber(1...9).inherited,
                \.routes[route].compressionLevel,
                "1 is the fastest, 9 the smallest"),
            Key(
                "\(name).compression.memory_level", WholeNumber(1...9).inherited,
                \.routes[route].compressionMemoryLevel,
                "Memory of one of zlib's compressors"),
            Key(
                "\(name).compression.threshold", Size(.bytes(0) ... .mebibytes(1_024)).inherited,
                \.routes[route].compressionThreshold,
                "Payloads below this go out plain"),
            Key(
                "\(name).compression.server_window_bits", WholeNumber(9...15).inherited,
                \.routes[route].serverWindowBits,
                "Window of what is sent"),
            Key(
                "\(name).compression.client_window_bits", WholeNumber(9...15).inherited,
                \.routes[route].clientWindowBits,
                "Window of what clients send, if they let us choose"),
            Key(
                "\(name).compression.context_takeover", Choice(takeovers).inherited,
                \.routes[route].contextTakeover,
                "Whether what is sent refers to earlier messages"),
            Key(
                "\(name).compression.client_context_takeover",
                Choice(clientTakeovers).inherited,
                \.routes[route].allowsPeerContextTakeover,
                "Whether what clients send may refer to earlier messages"),
            Key(
                "\(name).heartbeat.interval",
                TimeSpan(.milliseconds(100) ... .seconds(86_400)).orZero("off").inherited,
                \.routes[route].heartbeatInterval,
                "Silence before a ping"),
            Key(
                "\(name).heartbeat.timeout",
                TimeSpan(.milliseconds(100) ... .seconds(3_600)).inherited,
                \.routes[route].heartbeatTimeout,
                "Time for the pong to arrive"),
        ]
    }

    private static let logging: [Key] = [
        Key(
            "log.level", Choice.logLevel, \.logLevel,
            "Lowest level that is logged"),
        Key(
            "log.slow_turn", TimeSpan(.milliseconds(1) ... .seconds(3_600)).orZero("off"),
            \.server.slowTurn,
            "CPU time of a loop's turn past which it is logged"),
    ]
}
