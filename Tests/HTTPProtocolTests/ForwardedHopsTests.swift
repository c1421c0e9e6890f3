import HTTPTypes
import Testing

@testable import HTTPProtocol

@Suite("Hops that proxies have added")
struct ForwardedHopsTests {
    /// The trusted proxies.
    private func isProxy(_ address: IPAddress) -> Bool {
        ["10.0.0.1", "10.0.0.2", "fd00::1"].contains { IPAddress($0) == address }
    }

    private func last(_ hops: ForwardedHops, _ lines: [String]) -> IPAddress? {
        var fields = HTTPFields()
        let name = hops == .forwarded ? "Forwarded" : "X-Forwarded-For"
        for line in lines { fields.append(HTTPField(name: .init(name)!, value: line)) }
        return hops.last(of: fields) { !isProxy($0) }
    }

    @Test(
        "X-Forwarded-For: the nearest hop that isn't a proxy, or the last valid one",
        arguments: [
            (["192.0.2.1"], "192.0.2.1"),
            (["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (["203.0.113.9, 192.0.2.1, 10.0.0.1,fd00::1"], "192.0.2.1"),
            (["203.0.113.9", "192.0.2.1 , 10.0.0.1"], "192.0.2.1"),
            (["192.0.2.1", "10.0.0.2", "10.0.0.1"], "192.0.2.1"),
            (["10.0.0.2, 10.0.0.1"], "10.0.0.2"),
            (["unknown, 10.0.0.1"], "10.0.0.1"), (["192.0.2.1, junk, 10.0.0.1"], "10.0.0.1"),
            (["192.0.2.1, junk"], nil), (["192.0.2.1,,\t, "], "192.0.2.1"), ([""], nil), ([], nil),
            (["192.0.2.1:4711"], "192.0.2.1"), (["2001:db8::1"], "2001:db8::1"),
            (["[2001:db8::1]"], "2001:db8::1"), (["[2001:db8::1]:443"], "2001:db8::1"),
            (["\"[2001:db8::1]:443\""], "2001:db8::1"), (["\"192.0.2.1\""], "192.0.2.1"),
            (["::ffff:192.0.2.1"], "192.0.2.1"),
            (["[2001:db8::1"], nil), (["2001:db8::1]"], nil), (["[192.0.2.1]"], nil),
            (["[2001:db8::1]x"], nil), (["[2001:db8::1]:"], nil), (["192.0.2.1:"], nil),
            (["192.0.2.1:port"], nil), (["192.0.2.256"], nil), (["192.0.2.1 10.0.0.1"], nil),
            (["\"192.0.2.1"], nil), (["fe80::1%eth0"], nil),
            (["\"evil, 192.0.2.1"], "192.0.2.1"),
        ] as [([String], String?)])
    func xForwardedFor(lines: [String], client: String?) {
        #expect(last(.xForwardedFor, lines) == client.flatMap { IPAddress($0) })
    }

    @Test(
        "Forwarded: the same, by the pairs named for",
        arguments: [
            (["for=192.0.2.1"], "192.0.2.1"), (["For=\"192.0.2.1:80\";proto=http"], "192.0.2.1"),
            (["proto=https; for=192.0.2.1 ;by=10.0.0.1"], "192.0.2.1"),
            (["for=203.0.113.9, for=\"[2001:db8::1]:4711\", for=10.0.0.1"], "2001:db8::1"),
            (["for=203.0.113.9", "for=192.0.2.1"], "192.0.2.1"),
            (["for=192.0.2.1;host=\"a,b\", for=10.0.0.1"], "192.0.2.1"),
            (["for=192.0.2.1;host=\"a\\\"b\", for=10.0.0.1"], "192.0.2.1"),
            (["for=\"192.0.2.1:_port\""], "192.0.2.1"),
            (["for=unknown, for=10.0.0.1"], "10.0.0.1"), (["for=_hidden"], nil),
            (["for=192.0.2.1;for=192.0.2.2"], nil), (["by=192.0.2.1"], nil), (["192.0.2.1"], nil),
            (["for=192.0.2.1, proto=https"], nil),
            // Text of a client can't extend over the part that a proxy adds.
            (["for=\"evil, for=192.0.2.1"], "192.0.2.1"),
            (["for=\"evil\\", "for=192.0.2.1"], "192.0.2.1"),
            (["for=\"evil, for=\"[2001:db8::1]\""], "2001:db8::1"),
        ] as [([String], String?)])
    func forwarded(lines: [String], client: String?) {
        #expect(last(.forwarded, lines) == client.flatMap { IPAddress($0) })
    }

    @Test("Text of a client never changes the address that the proxy has added", arguments: 0..<10)
    func prefixes(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<1_000 {
            let prefix = String(
                (0..<Int.random(in: 0...20, using: &random)).map { _ in
                    "for=,\"\\;[]: 1.2".randomElement(using: &random)!
                })
            #expect(last(.xForwardedFor, [prefix + ", 192.0.2.1"]) == IPAddress("192.0.2.1"))
            #expect(last(.xForwardedFor, [prefix, "192.0.2.1"]) == IPAddress("192.0.2.1"))
            let added = "for=\"[2001:db8::1]:80\";proto=https"
            #expect(
                last(.forwarded, [prefix + ", " + added]) == IPAddress("2001:db8::1"), "\(prefix)")
        }
    }
}
