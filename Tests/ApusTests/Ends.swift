import RealtimeApp
import Testing

@testable import apus

/// The limits of a key's range, and the values just beyond them.
struct Ends: Sendable, CustomTestStringConvertible {
    let key: String
    let accepted: [String]
    let refused: [String]
    /// The range as in an error.
    let range: String

    var testDescription: String { key }

    init(_ key: String, _ range: String, accepted: [String], refused: [String]) {
        self.key = key
        self.accepted = accepted
        self.refused = refused
        self.range = range
    }

    static let all: [Ends] =
        [
            Ends("server.port", "0 to 65535", accepted: ["0", "65535"], refused: ["-1", "65536"]),
            Ends(
                "server.handover", "up to 107 bytes",
                accepted: ["", String(repeating: "h", count: 107)],
                refused: [String(repeating: "h", count: 108)]),
            Ends(
                "server.socket", "up to 107 bytes",
                accepted: ["", String(repeating: "s", count: 107)],
                refused: [String(repeating: "s", count: 108)]),
            Ends(
                "server.loops", "0 (one for each core) or 1 to 256", accepted: ["0", "1", "256"],
                refused: ["-1", "257"]),
            Ends(
                "server.backlog", "1 to 65535", accepted: ["1", "65535"], refused: ["0", "65536"]),
            Ends(
                "limits.connections.max", "0 (from RLIMIT_NOFILE) or 1 to 10000000",
                accepted: ["0", "1", "10000000"], refused: ["-1", "10000001"]),
            Ends(
                "limits.connections.per_address", "0 (off) or 1 to 10000000",
                accepted: ["0", "1", "10000000"], refused: ["-1", "10000001"]),
            Ends(
                "limits.connections.per_user", "0 (off) or 1 to 10000000",
                accepted: ["0", "1", "10000000"], refused: ["-1", "10000001"]),
            Ends(
                "admin.listen", "HOST:PORT",
                accepted: ["", "127.0.0.1:0", "localhost:65535", "[::1]:8081"],
                refused: ["8081", ":8081", "::1:8081", "127.0.0.1:65536", "127.0.0.1"]),
            Ends(
                "admin.token", "at least 32 letters",
                accepted: ["", String(repeating: "a", count: 32)],
                refused: [String(repeating: "a", count: 31), String(repeating: "é", count: 32)]),
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
                "limits.fragments.max", "0 (by the message's size) or 1 to 1000000",
                accepted: ["0", "1", "1000000"], refused: ["-1", "1000001"]),
            Ends(
                "limits.message.timeout", "10ms to 1d", accepted: ["10ms", "1d"],
                refused: ["9ms", "86400001ms"]),
            Ends(
                "limits.memory.max", "1MiB to 1024GiB", accepted: ["1MiB", "1024GiB"],
                refused: ["1048575", "1025GiB"]),
            Ends("tls.certificate", "a path, or empty", accepted: ["", "a.pem"], refused: []),
            Ends("tls.key", "a path, or empty", accepted: ["", "a.key"], refused: []),
            Ends(
                "tls.certificates", "a list of CERTIFICATE=KEY",
                accepted: ["", "a.pem=a.key", "a=b , c=d"],
                refused: ["a.pem", "=a.key", "a.pem=", "a=b,", "a=b=c"]),
            Ends("tls.client_ca", "a path, or empty", accepted: ["", "a.pem"], refused: []),
            Ends(
                "tls.client_auth", "required or optional", accepted: ["required", "optional"],
                refused: ["", "off"]),
            Ends("tls.min_version", "1.2 or 1.3", accepted: ["1.2", "1.3"], refused: ["1.1", ""]),
            Ends(
                "limits.handshakes.max", "1 to 1000000", accepted: ["1", "1000000"],
                refused: ["0", "1000001"]),
            Ends(
                "limits.rate.messages", "0 (off) or 1 to 10000000",
                accepted: ["0", "1", "10000000"],
                refused: ["-1", "10000001"]),
            Ends(
                "limits.rate.bytes", "0 (off) or 1KiB to 64GiB", accepted: ["0", "1KiB", "64GiB"],
                refused: ["1023", "68719476737"]),
            Ends(
                "limits.rate.policy", "pause or close", accepted: ["pause", "close"],
                refused: ["drop", ""]),
            Ends(
                "limits.before_auth.message", "1 to 1MiB", accepted: ["1", "1MiB"],
                refused: ["0", "1048577"]),
            Ends(
                "limits.before_auth.timeout", "10ms to 1h", accepted: ["10ms", "1h"],
                refused: ["9ms", "3600001ms"]),
            Ends(
                "compression.enabled", "true or false", accepted: ["true", "false"],
                refused: ["on", ""]),
            Ends(
                "compression.engine", "auto or zlib", accepted: ["auto", "zlib"], refused: ["isal"]),
            Ends("compression.level", "1 to 9", accepted: ["1", "9"], refused: ["0", "10"]),
            Ends(
                "compression.memory_level", "1 to 9", accepted: ["1", "9"], refused: ["0", "10"]),
            Ends(
                "compression.threshold", "0 to 1GiB", accepted: ["0", "1GiB"],
                refused: ["1073741825"]),
            Ends(
                "compression.server_window_bits", "9 to 15", accepted: ["9", "15"],
                refused: ["8", "16"]),
            Ends(
                "compression.client_window_bits", "9 to 15", accepted: ["9", "15"],
                refused: ["8", "16"]),
            Ends(
                "compression.context_takeover", "off, shared or per_connection",
                accepted: ["off", "shared", "per_connection"], refused: ["on", "client"]),
            Ends(
                "topics.per_connection", "1 to 4096", accepted: ["1", "4096"],
                refused: ["0", "4097"]),
            Ends("topics.name.max", "1 to 4096", accepted: ["1", "4096"], refused: ["0", "4097"]),
            Ends(
                "topics.slow_subscribers", "disconnect, drop_oldest or conflate",
                accepted: ["disconnect", "drop_oldest", "conflate"], refused: ["drop", ""]),
            Ends(
                "topics.rules", "PREFIX=POLICY",
                accepted: ["", "a=conflate", "a/ = drop_oldest , b=disconnect"],
                refused: ["a", "=conflate", "a=drop", "a=conflate,", "a=conflate;b=conflate"]),
            Ends(
                "topics.backlog.max", "1MiB to 64GiB", accepted: ["1MiB", "64GiB"],
                refused: ["1048575", "68719476737"]),
            Ends(
                "broker.url", "memory:, redis[s]://",
                accepted: ["memory:", "rediss://h", "redis://u:p@[::1]:1/2", "unix:///a?db=1"],
                refused: ["", "memory", "redis:", "rediss:h", "redis://h:0", "http://h"]),
            Ends(
                "broker.prefix", "up to 64 bytes",
                accepted: ["", "apus:", String(repeating: "p", count: 64)],
                refused: ["a b", String(repeating: "p", count: 65)]),
            Ends(
                "broker.on_gap", "keep or close", accepted: ["keep", "close"],
                refused: ["", "ignore"]),
            Ends(
                "tasks.database", "a path, or empty (no /tasks)",
                accepted: ["", "apus.sqlite", "/tmp/a b"],
                refused: [":memory:", "file:a"]),
            Ends(
                "compression.client_context_takeover", "off or per_connection",
                accepted: ["off", "per_connection"], refused: ["on", "shared"]),
            Ends(
                "compression.memory.max", "0 to 64GiB", accepted: ["0", "64GiB"],
                refused: ["68719476737"]),
            Ends(
                "compression.idle.timeout", "1s to 1d", accepted: ["1s", "1d"],
                refused: ["999ms", "86400001ms"]),
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
                "limits.handshake.size", "256 to 2MiB", accepted: ["256", "2MiB"],
                refused: ["255", "2097153"]),
            Ends(
                "limits.handshake.headers", "1 to 1000", accepted: ["1", "1000"],
                refused: ["0", "1001"]),
            Ends("limits.body.max", "0 to 1GiB", accepted: ["0", "1GiB"], refused: ["1073741825"]),
            Ends(
                "limits.idle.timeout", "0s (never) or 10ms to 30d",
                accepted: ["0s", "10ms", "30d"],
                refused: ["9ms", "2592000001ms"]),
            Ends(
                "limits.lifetime", "0s (unlimited) or 10ms to 30d",
                accepted: ["0s", "10ms", "30d"], refused: ["9ms", "2592000001ms"]),
            Ends(
                "limits.close.timeout", "10ms to 1h", accepted: ["10ms", "1h"],
                refused: ["9ms", "3600001ms"]),
            Ends(
                "heartbeat.interval", "0s (off) or 100ms to 1d", accepted: ["0s", "100ms", "1d"],
                refused: ["99ms", "86400001ms"]),
            Ends(
                "heartbeat.timeout", "100ms to 1h", accepted: ["100ms", "1h"],
                refused: ["99ms", "3600001ms"]),
            Ends(
                "server.proxy_protocol", "off or required", accepted: ["off", "required"],
                refused: ["on", "v2"]),
            Ends(
                "proxies.trusted",
                "a list of IP addresses, CIDR ranges and unix, or empty (none)",
                accepted: ["", "0.0.0.0/0,::/0", "10.0.0.1, fd00::/8,unix", "::1/128"],
                refused: ["10.0.0.1/8", "10.0.0.0/33", "::/129", "1.2.3", "unix,", "host", "a b"]),
            Ends(
                "proxies.header", "x-forwarded-for or forwarded",
                accepted: ["x-forwarded-for", "forwarded"], refused: ["X-Real-IP", "off"]),
            Ends("drain.delay", "0s to 1h", accepted: ["0s", "1h"], refused: ["3600001ms"]),
            Ends("drain.spread", "0s to 1h", accepted: ["0s", "30s"], refused: ["3600001ms"]),
            Ends("drain.deadline", "0s to 1h", accepted: ["10s", "1h"], refused: ["3600001ms"]),
            Ends(
                "drain.close_code", "1001 or 1012", accepted: ["1001", "1012"],
                refused: ["1000", "1011", "1013"]),
            Ends(
                "log.level", "trace, debug, info, notice, warning, error or critical",
                accepted: ["trace", "critical"], refused: ["verbose", "INFO", ""]),
            Ends(
                "log.format", "text or json", accepted: ["text", "json"], refused: ["JSON", ""]),
            Ends("log.access", "true or false", accepted: ["true", "false"], refused: ["on"]),
            Ends(
                "log.access_rate", "0 (no limit) or 1 to 1000000", accepted: ["0", "1", "1000000"],
                refused: ["-1", "1000001"]),
            Ends(
                "overload.enabled", "true or false", accepted: ["true", "false"],
                refused: ["off"]),
            Ends(
                "overload.loop_lag", "0s (off) or 50ms to 1m", accepted: ["0s", "50ms", "1m"],
                refused: ["49ms", "60001ms"]),
            Ends("overload.onset", "0s to 1h", accepted: ["0s", "1h"], refused: ["3600001ms"]),
            Ends(
                "overload.memory", "1MiB to 1024GiB", accepted: ["0", "1MiB", "1024GiB"],
                refused: ["1048575"]),
            Ends(
                "overload.descriptors", "0 (from RLIMIT_NOFILE) or 1 to 10000000",
                accepted: ["0", "1", "10000000"], refused: ["-1", "10000001"]),
            Ends(
                "overload.recovery", "100ms to 1h", accepted: ["100ms", "1h"],
                refused: ["99ms", "3600001ms"]),
            Ends(
                "log.slow_turn", "0s (off) or 1ms to 1h", accepted: ["0s", "1ms", "1h"],
                refused: ["3600001ms"]),
            Ends(
                "server.tools", "true or false", accepted: ["true", "false"], refused: ["yes", "1"]),
            Ends(
                "server.host", "a list of IPv4 addresses",
                accepted: ["::", "0.0.0.0", "fe80::1%eth0", "localhost", "a-b.example", "my_box"],
                refused: ["", "localhost:80", "[::1]", "999.0.0.1", "a b", "-a", "a..b"]),
            Ends(
                "server.host", "a list of IPv4 addresses",
                accepted: ["127.0.0.1, ::1", "unix:/run/a.sock", "localhost, unix:a.sock"],
                refused: [
                    "127.0.0.1,", "::1, ::1", "unix:", "unix:\(String(repeating: "a", count: 108))",
                ]
            ),
            Ends(
                "server.dual_stack", "true or false", accepted: ["true", "false"],
                refused: ["yes"]),
            Ends(
                "server.socket_mode", "octal digits", accepted: ["", "0", "660", "0777"],
                refused: ["0888", "01000", "rw", "-1", "0o660"]),
            Ends("server.socket_group", "a group", accepted: ["", "www-data", "33"], refused: []),
            Ends(
                "server.names", "a list of host names",
                accepted: ["", "*", "app.example.com", "*.example.com, xn--mnchen-3ya.example"],
                refused: [
                    "app.example.com:8080", "münchen.example", "a, ", "*, a.example", "a..b",
                    "http://a.example", "[::1]",
                ]),
        ] + Ends.auth + RealtimeApp.Route.allCases.flatMap(Ends.ofRoute)

    private static func ofRoute(_ route: RealtimeApp.Route) -> [Ends] {
        let name = "routes.\(route.rawValue)"
        return [
            Ends(
                "\(name).first_message", "inherit, or true or false",
                accepted: ["inherit", "true", "false"], refused: ["yes"]),
            Ends(
                "\(name).message.max", "inherit, or 1 to 1GiB",
                accepted: ["inherit", "1", "256MiB"],
                refused: ["0", "1073741825", "Inherit", ""]),
            Ends(
                "\(name).rate.messages", "inherit, or 0 (off) or 1 to 10000000",
                accepted: ["inherit", "0", "1", "10000000"], refused: ["10000001"]),
            Ends(
                "\(name).rate.bytes", "inherit, or 0 (off) or 1KiB to 64GiB",
                accepted: ["inherit", "0", "1KiB", "64GiB"], refused: ["1023"]),
            Ends(
                "\(name).compression.enabled", "inherit, or true or false",
                accepted: ["inherit", "true", "false"], refused: ["yes"]),
            Ends(
                "\(name).compression.level", "inherit, or 1 to 9",
                accepted: ["inherit", "1", "9"], refused: ["0", "10"]),
            Ends(
                "\(name).compression.memory_level", "inherit, or 1 to 9",
                accepted: ["inherit", "1", "9"], refused: ["0", "10"]),
            Ends(
                "\(name).compression.threshold", "inherit, or 0 to 1GiB",
                accepted: ["inherit", "0", "1GiB"], refused: ["1073741825"]),
            Ends(
                "\(name).compression.server_window_bits", "inherit, or 9 to 15",
                accepted: ["inherit", "9", "15"], refused: ["8", "16"]),
            Ends(
                "\(name).compression.client_window_bits", "inherit, or 9 to 15",
                accepted: ["inherit", "9", "15"], refused: ["8", "16"]),
            Ends(
                "\(name).compression.context_takeover",
                "inherit, or off, shared or per_connection",
                accepted: ["inherit", "off", "shared", "per_connection"], refused: ["on", ""]),
            Ends(
                "\(name).compression.client_context_takeover",
                "inherit, or off or per_connection",
                accepted: ["inherit", "off", "per_connection"], refused: ["on", "shared"]),
            Ends(
                "\(name).heartbeat.interval", "inherit, or 0s (off) or 100ms to 1d",
                accepted: ["inherit", "0s", "100ms", "1d"], refused: ["99ms"]),
            Ends(
                "\(name).heartbeat.timeout", "inherit, or 100ms to 1h",
                accepted: ["inherit", "100ms", "1h"], refused: ["99ms", "3600001ms"]),
        ]
    }
}
