import Testing

@testable import RedisBroker

@Suite struct RedisURLTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let text: String
        let place: RedisURL.Place
        var user: String?
        var password: String?
        var database = 0
        var testDescription: String { text }
    }

    static let valid: [Sample] = [
        Sample(text: "redis://cache", place: .host("cache", port: 6379)),
        Sample(text: "REDIS://cache/", place: .host("cache", port: 6379)),
        Sample(text: "redis://10.0.0.1:1/0", place: .host("10.0.0.1", port: 1)),
        Sample(
            text: "redis://[::1]:65535/15", place: .host("::1", port: 65_535), database: 15),
        Sample(text: "redis://[fe80::1%eth0]", place: .host("fe80::1%eth0", port: 6379)),
        Sample(text: "redis://:secret@h", place: .host("h", port: 6379), password: "secret"),
        Sample(
            text: "redis://u:p:q@h:7/3", place: .host("h", port: 7), user: "u", password: "p:q",
            database: 3),
        Sample(
            text: "redis://u%40x:%3A%2f%25%C3%BC@h", place: .host("h", port: 6379), user: "u@x",
            password: ":/%ü"),
        Sample(text: "redis://u:p@q@h", place: .host("h", port: 6379), user: "u", password: "p@q"),
        Sample(text: "redis://u@h", place: .host("h", port: 6379), user: "u", password: ""),
        Sample(text: "redis://@h", place: .host("h", port: 6379)),
        Sample(text: "unix:///run/redis.sock", place: .unix(path: "/run/redis.sock")),
        Sample(text: "unix:/run/redis.sock", place: .unix(path: "/run/redis.sock")),
        Sample(
            text: "redis+unix://u:p@/run/a%20b?db=2", place: .unix(path: "/run/a b"), user: "u",
            password: "p", database: 2),
    ]

    @Test("Every form is parsed", arguments: valid)
    func reads(sample: Sample) throws {
        let url = try RedisURL(sample.text)
        #expect(url.place == sample.place)
        #expect(url.user == sample.user)
        #expect(url.password == sample.password)
        #expect(url.database == sample.database)
    }

    @Test(
        "An invalid URL is refused",
        arguments: [
            "", "redis", "redis:", "redis:h", "redis:/h", "redis://", "redis://:6379", "redis://h:",
            "redis://h:0", "redis://h:65536", "redis://h:+1", "redis://h:1x", "redis://h/x",
            "redis://h/-1", "redis://h/65536", "redis://h/1/2", "redis://h?db=1", "redis://h#1",
            "redis://[::1", "redis://[::1]x", "redis://a b", "redis://h\n", "redis://u:%4@h",
            "redis://u:%zz@h", "redis://u:%ff@h", "redis://::1", "redis://a*b", "http://h",
            "rediss:h", "rediss://h:0", "unix://", "unix://run/redis.sock", "unix:///a?x=1",
            "unix:///a?db=",
            "unix:///a%00b", "unix:///" + String(repeating: "s", count: 107),
        ])
    func refuses(text: String) {
        #expect(throws: RedisURL.Fault.self) { try RedisURL(text) }
    }

    @Test("rediss is redis with TLS, and no other scheme is")
    func tls() throws {
        #expect(try RedisURL("rediss://h:1").isEncrypted)
        #expect(try RedisURL("rediss://h:1").place == .host("h", port: 1))
        #expect("\(try RedisURL("rediss://u:p@h"))" == "rediss://h:6379")
        #expect(try !RedisURL("redis://h").isEncrypted && !RedisURL("unix:///a").isEncrypted)
    }

    @Test("Neither its description nor an error shows the login")
    func secrets() throws {
        let url = try RedisURL("redis://somebody:secret@h:7/3")
        #expect("\(url)" == "redis://h:7/3")
        #expect("\(try RedisURL("unix://somebody:secret@/a?db=1"))" == "unix:///a?db=1")
        #expect("\(try RedisURL("redis://[::1]"))" == "redis://[::1]:6379")
        let fault = #expect(throws: RedisURL.Fault.self) {
            try RedisURL("redis://somebody:secret@h:port")
        }
        #expect(fault?.problem.contains("secret") == false)
    }
}
