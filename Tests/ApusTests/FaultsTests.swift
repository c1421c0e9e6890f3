import Foundation
import RealtimeApp
import Testing

@testable import apus

@Suite("Faults")
struct FaultsTests {
    @Test("The limits of a range are accepted", arguments: Ends.all)
    func acceptedEnds(_ ends: Ends) {
        for text in ends.accepted {
            #expect(faults(set: [(ends.key, text)]) == [])
        }
    }

    @Test(
        "A value just beyond a limit is an error with the key, the value and the range",
        arguments: Ends.all)
    func refusedEnds(_ ends: Ends) throws {
        for text in ends.refused {
            let lines = faults(set: [(ends.key, text)])
            let line = try #require(lines.first)
            let shown = try #require(Schema.key(named: ends.key)).shown(text)
            #expect(lines.count == 1)
            #expect(line.hasPrefix("--set: \(ends.key): \(shown) is "))
            #expect(line.contains("; allowed: "))
            #expect(line.contains(ends.range))
        }
    }

    @Test(
        "The error for an invalid size, duration or number says what is accepted",
        arguments: [
            ("limits.message.max", "64KB"), ("limits.message.max", "64kib"),
            ("limits.message.max", "-1"), ("limits.message.max", "1.5MiB"),
            ("limits.message.max", "KiB"), ("limits.message.max", "64  KiB"),
            ("drain.spread", "30"), ("drain.spread", "1.5s"), ("drain.spread", "1m30s"),
            ("drain.spread", "-1s"), ("drain.spread", ""), ("server.loops", "two"),
            ("server.loops", "1_0"), ("server.loops", "0x1"), ("server.loops", "+1"),
            ("server.loops", "٣"), ("limits.message.max", "٣KiB"),
        ])
    func malformed(_ key: String, _ text: String) throws {
        let line = try #require(faults(set: [(key, text)]).first)
        #expect(line.contains(" is not a "))
    }

    @Test(
        "Values too large to count are out of range",
        arguments: [
            ("limits.message.max", "99999999999999999999"),
            ("limits.message.max", "9999999999999999999GiB"),
            ("limits.message.max", "9999999999GiB"), ("drain.spread", "9999999999999999d"),
            ("server.port", "99999999999999999999"),
        ])
    func overflowing(_ key: String, _ text: String) throws {
        let line = try #require(faults(set: [(key, text)]).first)
        #expect(line.contains("\(text) is out of range; allowed: "))
    }

    @Test("The errors of all sources are reported together, each with its place")
    func together() {
        let lines = faults(
            yaml: "server:\n  port: 70000\nlimts: {}\n",
            environment: ["APUS_LOG_LEVEL": "loud"],
            set: [("server.loops", "-1"), ("drain.spred", "1s")])
        #expect(
            lines == [
                "FILE:3: limts: unknown section; did you mean limits?",
                "--set: drain.spred: unknown key; did you mean drain.spread?",
                "FILE:2: server.port: 70000 is out of range; allowed: 0 to 65535",
                "--set: server.loops: -1 is out of range; "
                    + "allowed: 0 (one for each core) or 1 to 256",
                "APUS_LOG_LEVEL: log.level: loud is not one of the allowed values; "
                    + "allowed: trace, debug, info, notice, warning, error or critical",
            ])
    }

    @Test(
        "Keys that contradict each other are an error that names both",
        arguments: [
            ("limits.assembly.max", "1KiB", "must be at least limits.message.max (1MiB, its"),
            ("limits.message.max", "512MiB", "limits.assembly.max: 256MiB, its default, must be"),
            ("limits.frame.max", "2MiB", "must be at most limits.message.max (1MiB, its"),
            ("limits.outbox.high_water", "2MiB", "must be at most limits.outbox.max (1MiB, its"),
            ("limits.outbox.max", "1KiB", "limits.outbox.high_water: 64KiB, its default, must be"),
            ("drain.deadline", "9s", "must be at least drain.spread (10s, its default)"),
            ("routes.chat.message.max", "257MiB", "be at most limits.assembly.max (256MiB, its"),
        ])
    func crossChecks(_ key: String, _ text: String, _ expected: String) throws {
        let lines = faults(set: [(key, text)])
        #expect(lines.count == 1)
        #expect(try #require(lines.first).contains(expected))
        #expect(try #require(lines.first).contains(text))
    }

    @Test(
        "A path or a claim with a zero byte is refused",
        arguments: ["auth.users", "auth.jwt.issuer"])
    func zeroByte(_ key: String) throws {
        let line = try #require(faults(set: [(key, "a\0b")]).first)
        #expect(line.hasPrefix("--set: \(key): a\\0b is not a text; allowed: "))
    }

    @Test("A secret has at least the length of its algorithm's hash")
    func secretSizes() throws {
        for (algorithm, size) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
            let secret = String(repeating: "s", count: size)
            #expect(
                faults(set: [("auth.jwt.algorithm", algorithm), ("auth.jwt.secret", secret)]) == [])
            let lines = faults(
                set: [
                    ("auth.jwt.algorithm", algorithm),
                    ("auth.jwt.secret", String(secret.dropLast())),
                ])
            #expect(lines.count == 1)
            let line = try #require(lines.first)
            #expect(line.contains("auth.jwt.secret: <secret>"))
            #expect(line.contains(" at least "))
        }
    }

    @Test("Equal values of keys that limit each other are valid")
    func crossChecksAtTheEdge() {
        #expect(
            faults(set: [
                ("limits.message.max", "1GiB"), ("limits.assembly.max", "1GiB"),
                ("limits.frame.max", "1GiB"), ("limits.outbox.high_water", "4KiB"),
                ("limits.outbox.max", "4KiB"), ("drain.spread", "0s"), ("drain.deadline", "0s"),
            ]) == [])
    }

    @Test("No route accepts larger messages than all messages may have together")
    func routesWithinAssembly() {
        let routes = RealtimeApp.Route.allCases.map { "routes.\($0.rawValue).message.max" }
        let assembly = ("limits.assembly.max", "2MiB")
        #expect(faults(set: routes.map { ($0, "2MiB") } + [assembly]) == [])
        #expect(
            faults(set: routes.map { ($0, "2097153") } + [assembly])
                == routes.map {
                    "--set: \($0): 2097153 must be at most limits.assembly.max (2MiB)"
                })
    }

    @Test("An invalid value isn't also compared with others")
    func noFollowUps() {
        #expect(faults(set: [("limits.message.max", "2GiB")]).count == 1)
    }

    @Test(
        "An unknown key brings a suggestion",
        arguments: [
            ("limits.mesage.max", "limits.message.max"), ("message.max", "limits.message.max"),
            ("limits.message", "limits.message.max"), ("log-level", "log.level"),
            ("LIMITS.MESSAGE.MAX", "limits.message.max"), ("server.prot", "server.port"),
            ("limits.connections.per-address", "limits.connections.per_address"),
        ])
    func suggestions(_ name: String, _ meant: String) {
        #expect(
            faults(set: [(name, "1")]) == ["--set: \(name): unknown key; did you mean \(meant)?"])
    }

    @Test("An unknown key that resembles no other has no suggestion")
    func noSuggestion() {
        #expect(faults(set: [("qwertyuiopasdf", "1")]) == ["--set: qwertyuiopasdf: unknown key"])
    }

    @Test(
        "Edits are counted with a swap of neighbours as one",
        arguments: [
            ("", "", 0), ("a", "", 1), ("", "abc", 3), ("port", "prot", 1), ("abc", "abd", 1),
            ("kitten", "sitting", 3), ("ab", "ba", 1), ("spread", "spred", 1),
        ])
    func distances(_ first: String, _ second: String, _ expected: Int) {
        #expect(edits(from: first, to: second) == expected)
        #expect(edits(from: second, to: first) == expected)
    }

    @Test("An error is one line of limited length, whatever the value contains")
    func oneLine() throws {
        #expect(
            faults(set: [("server.port", "1\n\u{1B}[31m")]) == [
                "--set: server.port: 1\\n\\u{1B}[31m is not a whole number; "
                    + "allowed: 0 to 65535"
            ])
        let long = String(repeating: "x", count: 100_000)
        #expect(
            try #require(faults(set: [("server.port", long)]).first)
                .hasSuffix("x… is not a whole number; allowed: 0 to 65535"))
        #expect(try #require(faults(set: [(long, "")]).first).count == 1_001)
    }

    @Test("A secret value is never shown")
    func secrets() {
        let key = Key("test.secret", WholeNumber(1...2), \.port, "A test", isSecret: true)
        let fault = Fault(.option("--set"), key: key, text: "hunter2", .outOfRange)
        #expect(!fault.description.contains("hunter2"))
        #expect(key.shown("hunter2") == "<secret>")
        let line = faults(set: [("broker.url", "redis://hunter:hunter2@h:port")])
        #expect(line.count == 1 && !line[0].contains("hunter"))
    }
}
