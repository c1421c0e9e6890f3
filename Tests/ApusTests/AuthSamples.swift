import RealtimeApp
import WebSocketServer

@testable import apus

/// Samples and limits of the keys about tokens, users and origins.
extension Sample {
    static let auth: [Sample] = [
        Sample("auth.jwt.secret", String(repeating: "é", count: 16)) {
            $0.auth.secret == String(repeating: "é", count: 16)
        },
        Sample("auth.jwt.algorithm", "HS384") { $0.auth.algorithm == .hs384 },
        Sample("auth.jwt.jwks", "/etc/apus/jwks.json") {
            $0.auth.keySetPath == "/etc/apus/jwks.json"
        },
        Sample("auth.jwt.jwks_interval", "1m") { $0.auth.keySetInterval == .seconds(60) },
        Sample("auth.jwt.jwks_pause", "250ms") { $0.auth.keySetPause == .milliseconds(250) },
        Sample("auth.jwt.audience", "apus") { $0.auth.audience == "apus" },
        Sample("auth.jwt.issuer", "https://issuer.example") {
            $0.auth.issuer == "https://issuer.example"
        },
        Sample("auth.jwt.leeway", "30s") { $0.auth.leeway == .seconds(30) },
        Sample("auth.jwt.expiry_required", "false") { !$0.auth.requiresExpiry },
        Sample("auth.first_message", "true") { $0.auth.acceptsFirstMessage },
        Sample("auth.query_token", "true") { $0.auth.acceptsQuery },
        Sample("auth.required_for", "echo, tasks") { $0.auth.requiredFor == [.echo, .tasks] },
        Sample("auth.users", "users") { $0.auth.usersPath == "users" },
        Sample("auth.token.lifetime", "1h") { $0.auth.lifetime == .seconds(3_600) },
        Sample("auth.token.rate.per_address", "0") { $0.auth.attemptsPerAddress == nil },
        Sample("auth.token.rate.per_user", "7") { $0.auth.attemptsPerUser == 7 },
        Sample("origins.allowed", "same-origin, https://*.example.com") { settings in
            settings.server.origins
                == OriginPolicy(
                    allowsSameOrigin: true,
                    patterns: [OriginPolicy.Pattern("https://*.example.com")!])
        },
        Sample("publish.api_key", String(repeating: "k", count: 32)) {
            $0.auth.publishKey == String(repeating: "k", count: 32)
        },
    ]
}

extension Ends {
    static let auth: [Ends] = [
        Ends(
            "auth.jwt.secret", "at least 32 bytes, or empty",
            accepted: ["", String(repeating: "s", count: 32)],
            refused: [String(repeating: "s", count: 31)]),
        Ends(
            "auth.jwt.algorithm", "HS256, HS384 or HS512", accepted: ["HS256", "HS384", "HS512"],
            refused: ["none", "RS256", "hs256", ""]),
        Ends(
            "auth.jwt.jwks", "a path, an http or https URL, or empty",
            accepted: ["", "a", "https://a.example/jwks.json?x=1", "http://[::1]:8080"],
            refused: ["https://", "https://user:password@a.example/", "http://a b/"]),
        Ends(
            "auth.jwt.jwks_interval", "1s to 1d", accepted: ["1s", "1d"],
            refused: ["999ms", "25h"]),
        Ends(
            "auth.jwt.jwks_pause", "100ms to 1h", accepted: ["100ms", "1h"],
            refused: ["99ms", "61m"]),
        Ends(
            "publish.api_key", "at least 32 letters, digits or -._~+/",
            accepted: ["", String(repeating: "k", count: 32)],
            refused: [String(repeating: "k", count: 31), String(repeating: "k ", count: 32)]),
        Ends(
            "limits.connections.per_user", "0 (off) or 1 to 10000000", accepted: ["0", "1"],
            refused: ["-1", "10000001"]),
        Ends("auth.jwt.audience", "text", accepted: ["", "a"], refused: []),
        Ends("auth.jwt.issuer", "text", accepted: ["", "a"], refused: []),
        Ends("auth.jwt.leeway", "0s to 1m", accepted: ["0s", "1m"], refused: ["60001ms"]),
        Ends(
            "auth.jwt.expiry_required", "true or false", accepted: ["true", "false"],
            refused: ["yes"]),
        Ends("auth.first_message", "true or false", accepted: ["true", "false"], refused: ["yes"]),
        Ends("auth.query_token", "true or false", accepted: ["true", "false"], refused: ["yes"]),
        Ends(
            "auth.required_for", "echo, chat, notifications, tasks, publish, channels, or empty",
            accepted: ["", "echo"], refused: ["ech", "echo,", "all", ","]),
        Ends("auth.users", "a path", accepted: ["", "a"], refused: []),
        Ends(
            "auth.token.lifetime", "1s to 30d", accepted: ["1s", "30d"],
            refused: ["999ms", "31d"]),
        Ends(
            "auth.token.rate.per_address", "0 (off) or 1 to 100000",
            accepted: ["0", "1", "100000"], refused: ["-1", "100001"]),
        Ends(
            "auth.token.rate.per_user", "0 (off) or 1 to 100000",
            accepted: ["0", "1", "100000"], refused: ["-1", "100001"]),
        Ends(
            "origins.allowed", "any, or a list of same-origin",
            accepted: [
                "any", "same-origin", "http://localhost:5173", "https://*.example.com",
                "https://a.example, same-origin", "https://[::1]:8443", "app://page",
                "null", "file://", "same-origin, null, capacitor://localhost, ionic://localhost",
                "chrome-extension://abcdefghijklmnop", "app://-", "app://.", "wss://a.example",
            ],
            refused: [
                "", "all", "example.com", "https://example.com/", "https://*", "any, same-origin",
                "https://a.*.example", "https://a:70000", "https://", "wss://", "file:///", "NULL",
                "app://*.", "null/", "*.null", "any, null",
            ]),
    ]
}
