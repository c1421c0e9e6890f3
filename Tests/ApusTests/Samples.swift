import Logging
import RealtimeApp
import RedisBroker
import Testing
import WebSocketServer

@testable import apus

/// A value other than the default for each key, and the setting that it changes.
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

    static let all: [Sample] =
        [
            Sample("server.host", "::1, unix:/run/a.sock") {
                $0.server.addresses == [
                    .hostname("::1", port: 8080), .unix(path: "/run/a.sock"),
                ]
            },
            Sample("server.port", "0") { $0.server.addresses == [.hostname("127.0.0.1", port: 0)] },
            Sample("server.socket", "/run/a.sock") {
                $0.server.addresses == [.unix(path: "/run/a.sock")]
            },
            Sample("server.loops", "256") { $0.server.loops == 256 },
            Sample("server.backlog", "17") { $0.server.backlog == 17 },
            Sample("server.proxy_protocol", "required") {
                $0.server.proxies.proxyProtocol == .required
            },
            Sample("server.tools", "true") { $0.tools },
            Sample("server.dual_stack", "true") { $0.server.isDualStack },
            Sample("server.socket_mode", "0660") { $0.server.unixSockets.mode == 0o660 },
            Sample("server.socket_group", "www") { $0.server.unixSockets.group == "www" },
            Sample("server.names", "app.example.com") {
                $0.server.names == HostPolicy.Pattern("app.example.com").map { .only([$0]) }
            },
            Sample("server.handover", "/run/h.sock") { $0.handover == "/run/h.sock" },
            Sample("tls.certificate", "a.pem") { $0.tls.certificate == "a.pem" },
            Sample("tls.key", "a.key") { $0.tls.key == "a.key" },
            Sample("tls.certificates", "b.pem=b.key, c.pem=c.key") {
                $0.tls.certificates == [
                    CertificateFiles(certificate: "b.pem", key: "b.key"),
                    CertificateFiles(certificate: "c.pem", key: "c.key"),
                ]
            },
            Sample("tls.client_ca", "ca.pem") { $0.tls.clientAuthority == "ca.pem" },
            Sample("tls.client_auth", "optional") { !$0.tls.requiresClientCertificate },
            Sample("tls.min_version", "1.3") { $0.tls.minimumVersion == .tls13 },
            Sample("limits.connections.max", "18") { $0.server.limits.connectionsMax == 18 },
            Sample("limits.connections.per_address", "19") {
                $0.server.limits.connectionsPerAddressMax == 19
            },
            Sample("limits.connections.per_user", "42") { $0.auth.connectionsPerUser == 42 },
            Sample("limits.message.max", "20KiB") {
                $0.server.limits.messageSizeMax == .kibibytes(20)
            },
            Sample("limits.message.timeout", "39s") {
                $0.server.limits.messageTimeout == .seconds(39)
            },
            Sample("limits.memory.max", "40MiB") {
                $0.server.limits.memoryMax == .mebibytes(40)
            },
            Sample("limits.assembly.max", "21MiB") {
                $0.server.limits.assemblySizeMax == .mebibytes(21)
            },
            Sample("limits.frame.max", "2222") { $0.server.limits.frameSizeMax == .bytes(2222) },
            Sample("limits.fragments.max", "23") { $0.server.limits.fragmentsMax == 23 },
            Sample("limits.rate.messages", "34") { $0.server.limits.messageRateMax == 34 },
            Sample("limits.rate.bytes", "35KiB") { $0.server.limits.byteRateMax == .kibibytes(35) },
            Sample("limits.rate.policy", "close") { $0.server.limits.ratePolicy == .close },
            Sample("limits.before_auth.message", "36") {
                $0.server.limits.unauthenticatedMessageSizeMax == .bytes(36)
            },
            Sample("limits.before_auth.timeout", "37s") {
                $0.server.limits.authenticationTimeout == .seconds(37)
            },
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
            Sample("limits.handshakes.max", "41") { $0.server.limits.handshakesMax == 41 },
            Sample("limits.body.max", "0") { $0.server.limits.bodySizeMax == .bytes(0) },
            Sample("limits.idle.timeout", "30d") {
                $0.server.limits.idleTimeout == .seconds(30 * 86_400)
            },
            Sample("limits.lifetime", "1d") { $0.server.limits.lifetime == .seconds(86_400) },
            Sample("limits.close.timeout", "31s") { $0.server.limits.closeTimeout == .seconds(31) },
            Sample("heartbeat.interval", "0s") { $0.server.heartbeat.interval == nil },
            Sample("heartbeat.timeout", "33m") { $0.server.heartbeat.timeout == .seconds(33 * 60) },
            Sample("drain.delay", "15s") { $0.server.drain.delay == .seconds(15) },
            Sample("drain.spread", "14s") { $0.server.drain.spread == .seconds(14) },
            Sample("drain.deadline", "1h") { $0.server.drain.deadline == .seconds(3_600) },
            Sample("drain.close_code", "1001") { $0.server.drain.closeCode == 1001 },
            Sample("overload.enabled", "false") { !$0.server.overload.isEnabled },
            Sample("overload.loop_lag", "201ms") {
                $0.server.overload.loopLag == .milliseconds(201)
            },
            Sample("overload.onset", "202ms") { $0.server.overload.onset == .milliseconds(202) },
            Sample("overload.memory", "203MiB") { $0.server.overload.memory == .mebibytes(203) },
            Sample("overload.descriptors", "204") { $0.server.overload.freeDescriptors == 204 },
            Sample("overload.recovery", "205ms") {
                $0.server.overload.recovery == .milliseconds(205)
            },
            Sample("compression.enabled", "false") { !$0.server.compression.isEnabled },
            Sample("compression.engine", "zlib") { $0.server.compression.engine == .zlib },
            Sample("compression.level", "6") { $0.server.compression.level == 6 },
            Sample("compression.memory_level", "8") { $0.server.compression.memoryLevel == 8 },
            Sample("compression.threshold", "1KiB") {
                $0.server.compression.threshold == .kibibytes(1)
            },
            Sample("compression.server_window_bits", "15") {
                $0.server.compression.serverWindowBits == 15
            },
            Sample("compression.client_window_bits", "9") {
                $0.server.compression.clientWindowBits == 9
            },
            Sample("compression.context_takeover", "per_connection") {
                $0.server.compression.contextTakeover == .perConnection
            },
            Sample("compression.client_context_takeover", "per_connection") {
                $0.server.compression.allowsPeerContextTakeover
            },
            Sample("compression.memory.max", "1GiB") {
                $0.server.compression.memoryMax == .mebibytes(1_024)
            },
            Sample("compression.idle.timeout", "1h") {
                $0.server.compression.contextIdleTimeout == .seconds(3_600)
            },
            Sample("topics.per_connection", "7") { $0.server.topics.perConnectionMax == 7 },
            Sample("topics.name.max", "8") { $0.server.topics.nameSizeMax == 8 },
            Sample("topics.slow_subscribers", "conflate") {
                $0.server.topics.slowSubscribers == .conflate
            },
            Sample("topics.rules", "ticks/=conflate, logs/=drop_oldest") {
                $0.server.topics.rules == [
                    .init(prefix: "ticks/", policy: .conflate),
                    .init(prefix: "logs/", policy: .dropOldest),
                ]
            },
            Sample("topics.backlog.max", "2MiB") {
                $0.server.topics.backlogMax == .mebibytes(2)
            },
            Sample("broker.url", "redis://cache:7/1") {
                $0.broker.place == (try? RedisURL("redis://cache:7/1")).map { .redis($0) }
            },
            Sample("broker.prefix", "team/") { $0.broker.prefix == "team/" },
            Sample("broker.on_gap", "close") { $0.server.topics.onGap == .close },
            Sample("proxies.trusted", "10.0.0.0/8, fd00::/8, 192.0.2.1, unix") {
                $0.server.proxies.trusted == [
                    TrustedProxy("10.0.0.0/8"), TrustedProxy("fd00::/8"),
                    TrustedProxy("192.0.2.1"), .unix,
                ]
            },
            Sample("proxies.header", "forwarded") { $0.server.proxies.header == .forwarded },
            Sample("tasks.database", "/var/lib/apus/tasks.sqlite") {
                $0.tasksDatabase == "/var/lib/apus/tasks.sqlite"
            },
        ]
        + auth + RealtimeApp.Route.allCases.flatMap(Sample.ofRoute) + [
            Sample("log.level", "warning") { $0.log.level == .warning },
            Sample("log.format", "json") { $0.log.format == .json },
            Sample("log.access", "true") { $0.log.hasAccess },
            Sample("log.access_rate", "206") { $0.log.accessRate == 206 },
            Sample("log.slow_turn", "38ms") { $0.server.slowTurn == .milliseconds(38) },
            // Beyond loopback it would need a token.
            Sample("admin.listen", "127.0.0.2:8081") {
                $0.admin.listen == AdminAddress(host: "127.0.0.2", port: 8081)
            },
            Sample("admin.token", String(repeating: "a", count: 32)) {
                $0.admin.token == String(repeating: "a", count: 32)
            },
        ]

    private static func ofRoute(_ route: RealtimeApp.Route) -> [Sample] {
        let name = "routes.\(route.rawValue)"
        return [
            Sample("\(name).first_message", "true") {
                $0.auth.acceptsFirstMessageOn == [route: true]
            },
            Sample("\(name).message.max", "2KiB") {
                $0.options(of: route).limits.messageSizeMax == .kibibytes(2)
            },
            Sample("\(name).rate.messages", "3") {
                $0.options(of: route).limits.messageRateMax == 3
            },
            Sample("\(name).rate.bytes", "4KiB") {
                $0.options(of: route).limits.byteRateMax == .kibibytes(4)
            },
            Sample("\(name).compression.enabled", "false") {
                !$0.options(of: route).compression.isEnabled
            },
            Sample("\(name).compression.level", "9") {
                $0.options(of: route).compression.level == 9
            },
            Sample("\(name).compression.memory_level", "8") {
                $0.options(of: route).compression.memoryLevel == 8
            },
            Sample("\(name).compression.threshold", "5") {
                $0.options(of: route).compression.threshold == .bytes(5)
            },
            Sample("\(name).compression.server_window_bits", "15") {
                $0.options(of: route).compression.serverWindowBits == 15
            },
            Sample("\(name).compression.client_window_bits", "11") {
                $0.options(of: route).compression.clientWindowBits == 11
            },
            Sample("\(name).compression.context_takeover", "per_connection") {
                $0.options(of: route).compression.contextTakeover == .perConnection
            },
            Sample("\(name).compression.client_context_takeover", "per_connection") {
                $0.options(of: route).compression.allowsPeerContextTakeover
            },
            Sample("\(name).heartbeat.interval", "0s") {
                $0.options(of: route).heartbeat.interval == nil
            },
            Sample("\(name).heartbeat.timeout", "6s") {
                $0.options(of: route).heartbeat.timeout == .seconds(6)
            },
        ]
    }
}

extension Settings {
    /// The options of a route's connections.
    fileprivate func options(of route: RealtimeApp.Route) -> ConnectionConfiguration {
        var options = ConnectionConfiguration(
            limits: server.limits, heartbeat: server.heartbeat, compression: server.compression)
        routes[route].adjust(&options)
        return options
    }
}
