import Foundation
import HTTPProtocol
import Synchronization
import Testing
import WebSocketServer
import LiveTesting

@testable import RealtimeApp

@Suite("Attempts to sign in")
struct RateLimiterTests {
    @Test("A burst of the attempts per minute, then one at a time", arguments: [1, 7, 10, 60])
    func rate(perMinute: Int) {
        let limiter = RateLimiter(perMinute: perMinute)
        let cost = 60 / Double(perMinute)
        for _ in 0..<perMinute { #expect(limiter.attempt(by: "ada", at: 1_000) == nil) }
        let wait = limiter.attempt(by: "ada", at: 1_000)
        #expect(abs((wait ?? 0) - cost) < 1e-6)
        #expect(limiter.attempt(by: "eve", at: 1_000) == nil)
        #expect(limiter.attempt(by: "ada", at: 1_000 + cost * 0.99) != nil)
        #expect(limiter.attempt(by: "ada", at: 1_000 + cost) == nil)
        #expect(limiter.attempt(by: "ada", at: 1_000 + cost) != nil)
        for _ in 0..<perMinute { #expect(limiter.attempt(by: "ada", at: 2_000) == nil) }
        #expect(limiter.attempt(by: "ada", at: 2_000) != nil)
    }

    @Test("Invented names take no attempts, give none back, and need no more memory")
    func bounded() {
        let limiter = RateLimiter(perMinute: 2)
        #expect(limiter.bucketCount == 0)
        for _ in 0..<2 { #expect(limiter.attempt(by: "eve", at: 1_000) == nil) }
        let bucketCount = limiter.bucketCount
        let refused = (0..<100_000).count { limiter.attempt(by: "\($0)", at: 1_000) != nil }
        #expect(refused == 0)
        #expect(limiter.bucketCount == bucketCount)
        #expect(limiter.attempt(by: "eve", at: 1_000) != nil)
        #expect(
            (0..<3).map { _ in limiter.attempt(by: "ada", at: 1_000) == nil }
                == [true, true, false])
    }

    @Test("Attempts as a user lock the user out only from the same address")
    func addressAndUser() {
        var options = AuthenticationOptions()
        options.attemptsPerAddress = 5
        options.attemptsPerUser = 2
        let limits = SignInLimits(options)
        let attempts = [
            ("192.0.2.1", "ada", true), ("192.0.2.1", "ada", true), ("192.0.2.1", "ada", false),
            ("192.0.2.2", "ada", true), ("192.0.2.1", "eve", true), ("192.0.2.1", "bob", true),
            // Six from one address, including the refused one.
            ("192.0.2.1", "eve", false), ("192.0.2.2", "eve", true),
            ("2001:db8::1", "ada", true), ("2001:db8::2", "ada", true),
            ("2001:db8::3", "ada", false),
        ]
        for (number, (address, user, isAllowed)) in attempts.enumerated() {
            let wait = limits.attempt(from: address, as: UserName(user), at: 1_000)
            #expect((wait == nil) == isAllowed, "attempt \(number)")
        }
    }

    @Test("A calendar clock that is set forward gives no attempts back")
    func calendar() async throws {
        let path = NSTemporaryDirectory() + "/apus-users-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data().write(to: URL(filePath: path))
        var options = AuthenticationOptions()
        options.secret = String(repeating: "s", count: 32)
        options.usersPath = path
        options.attemptsPerUser = 1
        let days = Mutex(0.0)
        let authentication = try await Authentication(options, logger: .silent) {
            days.withLock {
                $0 += 86_400
                return $0
            }
        }
        let router = RealtimeApp(
            logger: .silent, broker: MemoryBroker(), authentication: authentication
        ).router()
        try await withServer(router) { server in
            let body = "grant_type=password&username=ada&password=x"
            var statuses: [Substring] = []
            for _ in 0..<2 {
                let client = try RawClient(to: server.addresses[0])
                try await client.send(
                    "POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n"
                        + "Content-Type: application/x-www-form-urlencoded\r\n\r\n\(body)")
                let response = try await client.readResponse()
                statuses.append(response.head.split(separator: " ")[1])
            }
            #expect(statuses == ["400", "429"])
        }
    }

    @Test(
        "An IPv6 address counts as its /64",
        arguments: [
            ("192.0.2.1", "192.0.2.2", false), ("192.0.2.1", "192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("fe80::1%eth0", "fe80::2%eth1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false), ("unix", "unix", true),
        ])
    func addresses(_ one: String, _ other: String, _ isSame: Bool) {
        #expect(
            (RateLimiter.name(ofAddress: one) == RateLimiter.name(ofAddress: other)) == isSame)
    }

    @Test("Attempts as a user count together, however the name is spelled")
    func spelling() {
        var options = AuthenticationOptions()
        options.attemptsPerUser = 2
        let limits = SignInLimits(options)
        let names = ["caf\u{E9}", "cafe\u{301}", "caf\u{E9}"]
        let waits = names.map { limits.attempt(from: "::1", as: UserName($0), at: 1_000) == nil }
        #expect(waits == [true, true, false])
        #expect(limits.attempt(from: "::1", as: UserName("cafe"), at: 1_000) == nil)
    }
}
