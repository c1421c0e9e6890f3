import Logging
import Testing
import WebSocketServer

@testable import apus

/// A value other than the default for each key, and the place in the settings where it arrives.
struct Sample: Sendable, CustomTestStringConvertible {
    let key: String
    let text: String
    let arrived: @Sendable (Settings) -> Bool

    var testDescription: String { "\(key)=\(text)" }

    init(_ key: String, _ text: String, _ arrived: @escaping @Sendable (Settings) -> Bool) {
        self.key = key
        self.text = text
        self.arrived = arrived
    }

    static let all: [Sample] = [
        Sample("server.host", "::1") { $0.server.addresses == [.hostname("::1", port: 8080)] },
        Sample("server.port", "0") { $0.server.addresses == [.hostname("127.0.0.1", port: 0)] },
        Sample("server.socket", "/run/a.sock") {
            $0.server.addresses == [.unix(path: "/run/a.sock")]
        },
        Sample("server.loops", "256") { $0.server.loops == 256 },
        Sample("server.backlog", "17") { $0.server.backlog == 17 },
        Sample("server.tools", "true") { $0.tools },
        Sample("limits.connections.max", "18") { $0.server.limits.connectionsMax == 18 },
        Sample("limits.connections.per_address", "19") {
            $0.server.limits.connectionsPerAddressMax == 19
        },
        Sample("limits.message.max", "20KiB") {
            $0.server.limits.messageSizeMax == .kibibytes(20)
        },
        Sample("limits.assembly.max", "21MiB") {
            $0.server.limits.assemblySizeMax == .mebibytes(21)
        },
        Sample("limits.frame.max", "2222") { $0.server.limits.frameSizeMax == .bytes(2222) },
        Sample("limits.fragments.max", "23") { $0.server.limits.fragmentsMax == 23 },
        Sample("limits.outbox.high_water", "24KiB") {
            $0.server.limits.outboxHighWater == .kibibytes(24)
        },
        Sample("limits.outbox.max", "3GiB") { $0.server.limits.outboxMax == .mebibytes(3072) },
        Sample("limits.handshake.timeout", "26ms") {
            $0.server.limits.handshakeTimeout == .milliseconds(26)
        },
        Sample("limits.handshake.size", "27KiB") {
            $0.server.limits.handshakeSizeMax == .kibibytes(27)
        },
        Sample("limits.handshake.headers", "28") { $0.server.limits.handshakeHeadersMax == 28 },
        Sample("limits.body.max", "0") { $0.server.limits.bodySizeMax == .bytes(0) },
        Sample("limits.idle.timeout", "30d") {
            $0.server.limits.idleTimeout == .seconds(30 * 86_400)
        },
        Sample("limits.close.timeout", "31s") { $0.server.limits.closeTimeout == .seconds(31) },
        Sample("heartbeat.interval", "0s") { $0.server.heartbeat.interval == nil },
        Sample("heartbeat.timeout", "33m") { $0.server.heartbeat.timeout == .seconds(33 * 60) },
        Sample("drain.spread", "14s") { $0.server.drain.spread == .seconds(14) },
        Sample("drain.deadline", "1h") { $0.server.drain.deadline == .seconds(3_600) },
        Sample("drain.close_code", "1001") { $0.server.drain.closeCode == 1001 },
        Sample("log.level", "warning") { $0.logLevel == .warning },
    ]
}

/// The ends of a key's range and the values one past them.
struct Ends: Sendable, CustomTestStringConvertible {
    let key: String
    let accepted: [String]
    let refused: [String]
    /// The range as a fault words it.
    let range: String

    var testDescription: String { key }

    init(_ key: String, _ range: String, accepted: [String], refused: [String]) {
        self.key = key
        self.accepted = accepted
        self.refused = refused
        self.range = range
    }

    static let all: [Ends] = [
        Ends("server.port", "0 to 65535", accepted: ["0", "65535"], refused: ["-1", "65536"]),
        Ends(
            "server.socket", "up to 107 bytes",
            accepted: ["", String(repeating: "s", count: 107)],
            refused: [String(repeating: "s", count: 108)]),
        Ends(
            "server.loops", "0 (as many as cores) or 1 to 256", accepted: ["0", "1", "256"],
            refused: ["-1", "257"]),
        Ends("server.backlog", "1 to 65535", accepted: ["1", "65535"], refused: ["0", "65536"]),
        Ends(
            "limits.connections.max", "0 (from RLIMIT_NOFILE) or 1 to 10000000",
            accepted: ["0", "1", "10000000"], refused: ["-1", "10000001"]),
        Ends(
            "limits.connections.per_address", "0 (off) or 1 to 10000000",
            accepted: ["0", "1", "10000000"], refused: ["-1", "10000001"]),
        Ends(
            "limits.message.max", "1 to 1GiB", accepted: ["1", "256MiB"],
            refused: ["0", "1073741825"]),
        Ends(
            "limits.assembly.max", "1 to 64GiB", accepted: ["1MiB", "64GiB"],
            refused: ["0", "68719476737"]),
        Ends(
            "limits.frame.max", "0 (as limits.message.max) or 1 to 1GiB",
            accepted: ["0", "1", "1MiB"], refused: ["1073741825"]),
        Ends(
            "limits.fragments.max", "1 to 1000000", accepted: ["1", "1000000"],
            refused: ["0", "1000001"]),
        Ends(
            "limits.outbox.high_water", "1 to 1GiB", accepted: ["1", "1MiB"],
            refused: ["0", "1073741825"]),
        Ends(
            "limits.outbox.max", "1 to 4GiB", accepted: ["64KiB", "4GiB"],
            refused: ["0", "4294967297"]),
        Ends(
            "limits.handshake.timeout", "10ms to 1h", accepted: ["10ms", "1h"],
            refused: ["9ms", "3600001ms"]),
        Ends(
            "limits.handshake.size", "256 to 1MiB", accepted: ["256", "1MiB"],
            refused: ["255", "1048577"]),
        Ends(
            "limits.handshake.headers", "1 to 1000", accepted: ["1", "1000"],
            refused: ["0", "1001"]),
        Ends("limits.body.max", "0 to 1GiB", accepted: ["0", "1GiB"], refused: ["1073741825"]),
        Ends(
            "limits.idle.timeout", "0s (never) or 10ms to 30d", accepted: ["0s", "10ms", "30d"],
            refused: ["9ms", "2592000001ms"]),
        Ends(
            "limits.close.timeout", "10ms to 1h", accepted: ["10ms", "1h"],
            refused: ["9ms", "3600001ms"]),
        Ends(
            "heartbeat.interval", "0s (off) or 100ms to 1d", accepted: ["0s", "100ms", "1d"],
            refused: ["99ms", "86400001ms"]),
        Ends(
            "heartbeat.timeout", "100ms to 1h", accepted: ["100ms", "1h"],
            refused: ["99ms", "3600001ms"]),
        Ends("drain.spread", "0s to 1h", accepted: ["0s", "30s"], refused: ["3600001ms"]),
        Ends("drain.deadline", "0s to 1h", accepted: ["10s", "1h"], refused: ["3600001ms"]),
        Ends(
            "drain.close_code", "1001 or 1012", accepted: ["1001", "1012"],
            refused: ["1000", "1011", "1013"]),
        Ends(
            "log.level", "trace, debug, info, notice, warning, error or critical",
            accepted: ["trace", "critical"], refused: ["verbose", "INFO", ""]),
        Ends("server.tools", "true or false", accepted: ["true", "false"], refused: ["yes", "1"]),
        Ends(
            "server.host", "an IPv4 address",
            accepted: ["::", "0.0.0.0", "fe80::1%eth0", "localhost", "a-b.example", "my_box"],
            refused: ["", "localhost:80", "[::1]", "999.0.0.1", "a b", "-a", "a..b"]),
    ]
}
