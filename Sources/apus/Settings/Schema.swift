import WebSocketServer

/// The one list of what can be configured, in the order of the shipped file.
enum Schema {
    static let keys: [Key] = server + limits + heartbeatAndDrain + logging

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
            "Where to listen", change: .restart),
        Key(
            "server.port", WholeNumber(0...65_535), \.port,
            "TCP port, 0 picks a free one", change: .restart),
        Key(
            "server.socket", SocketPath(), \.socket,
            "Unix-domain socket, replaces host and port", change: .restart),
        Key(
            "server.loops", WholeNumber(1...256).orZero("as many as cores"), \.loops,
            "Event loops, a thread each", change: .restart),
        Key(
            "server.backlog", WholeNumber(1...65_535), \.server.backlog,
            "Connections the kernel queues for each listener", change: .restart),
        Key(
            "server.tools", Choice.flag, \.tools,
            "Serve /echo and /broadcast for conformance and load tools", change: .restart),
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
            "limits.assembly.max", Size(.bytes(1) ... .mebibytes(65_536)),
            \.server.limits.assemblySizeMax,
            "All partly received messages together"),
        Key(
            "limits.frame.max",
            Size(.bytes(1) ... .mebibytes(1_024)).orZero("as limits.message.max"),
            \.server.limits.frameSizeMax,
            "One frame's payload"),
        Key(
            "limits.fragments.max", WholeNumber(1...1_000_000), \.server.limits.fragmentsMax,
            "Frames of one message"),
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
            "Time for a request's head to arrive"),
        Key(
            "limits.handshake.size", Size(.bytes(256) ... .mebibytes(1)),
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

    private static let logging: [Key] = [
        Key(
            "log.level", Choice.logLevel, \.logLevel,
            "Lowest level that is logged", change: .restart)
    ]
}
