import Glibc
import Testing

@testable import UVTransport

@Suite struct SocketAddressTests {
    private func parse(_ host: String, port: Int = 4_711) throws -> SocketAddress {
        SocketAddress(try RawAddress.resolve(host, port: port)[0].storage)
    }

    @Test(
        "An address is parsed and described unchanged",
        arguments: [
            ("192.0.2.1", "192.0.2.1:4711", SocketAddress.Family.ipv4),
            ("0.0.0.0", "0.0.0.0:4711", .ipv4),
            ("255.255.255.255", "255.255.255.255:4711", .ipv4),
            ("2001:db8::1", "[2001:db8::1]:4711", .ipv6),
            ("::1", "[::1]:4711", .ipv6),
            ("fe80::1:2:3:4", "[fe80::1:2:3:4]:4711", .ipv6),
            // An IPv4 client of an IPv6 socket is an IPv4 client.
            ("::ffff:192.0.2.1", "192.0.2.1:4711", .ipv4),
        ])
    func parsing(text: String, description: String, family: SocketAddress.Family) throws {
        let address = try parse(text)
        #expect(address.description == description)
        #expect(address.family == family)
        #expect(address.port == 4_711)
    }

    @Test("A client is one IPv4 address, or one /64 of IPv6")
    func clientKeys() throws {
        func key(_ host: String, _ port: Int = 1) throws -> UInt64? {
            try parse(host, port: port).clientKey
        }
        #expect(try key("192.0.2.1", 1) == key("192.0.2.1", 2))
        #expect(try key("192.0.2.1") != key("192.0.2.2"))
        #expect(try key("2001:db8:0:1::1") == key("2001:db8:0:1:ffff::2"))
        #expect(try key("2001:db8:0:1::1") != key("2001:db8:0:2::1"))
        #expect(try key("::ffff:192.0.2.1") == key("192.0.2.1"))
        #expect(try key("::1") != key("0.0.0.1"))
        #expect(SocketAddress.unix.clientKey == nil)
        let prefixes = ["2001:db8::", "2003::", "fc00::", "fd00::", "fe80::", "ff02::", "3fff::"]
        #expect(Set(try prefixes.map { try key($0) }).count == prefixes.count)
    }

    @Test("An unknown host name is an error with the name")
    func unknownName() {
        #expect(throws: TransportError.self) {
            try RawAddress.resolve("no-such-host.invalid", port: 1)
        }
    }

    @Test(
        "The path of a socket must fit",
        arguments: ["", String(repeating: "x", count: 108), "a\0b"])
    func paths(path: String) {
        #expect(throws: TransportError.self) { try RawAddress.unix(path) }
    }
}
