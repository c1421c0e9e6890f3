import Testing

@testable import RealtimeApp

@Suite("Attempts to sign in")
struct RateLimiterTests {
    @Test("so many a minute at once, then one whenever one is due", arguments: [1, 7, 10, 60])
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

    @Test("the table is bounded; those who don't fit share a bucket, until others are forgotten")
    func bounded() {
        let limiter = RateLimiter(perMinute: 2)
        for number in 0..<RateLimiter.namesMax {
            #expect(limiter.attempt(by: "\(number)", at: 1_000) == nil)
        }
        let more = (0..<4).map { limiter.attempt(by: "more \($0)", at: 1_000) }
        #expect(more.map { $0 == nil } == [true, true, false, false])
        #expect(limiter.count == RateLimiter.namesMax)
        #expect(limiter.attempt(by: "1", at: 1_000) == nil)
        #expect(limiter.attempt(by: "1", at: 1_000) != nil)
        #expect(limiter.attempt(by: "later", at: 1_061) == nil)
        #expect(limiter.count == 1)
    }

    @Test(
        "an IPv6 address counts as its /64",
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

    @Test("a form is read as browsers write it, and refused when it is none")
    func forms() {
        let form = Form("username=ada+l&password=%26%3D%2b%C3%A4&empty=&flag".utf8)
        #expect(form?["username"] == "ada l")
        #expect(form?["password"] == "&=+ä")
        #expect(form?["empty"] == "")
        #expect(form?["flag"] == "")
        #expect(form?["other"] == nil)
        #expect(Form("".utf8) != nil)
        for wrong in ["a=%", "a=%4", "a=%4g", "a=%ff", "a=1&a=2", "%61=1&a=2"] {
            #expect(Form(wrong.utf8) == nil, "\(wrong)")
        }
    }
}
