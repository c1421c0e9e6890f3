import Glibc
import Testing

@testable import HTTPProtocol

@Suite("Addresses are parsed as by the system's inet_pton")
struct IPAddressTests {
    static let texts = [
        "0.0.0.0", "192.0.2.1", "255.255.255.255", "256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4",
        "1..2.3", "1.2.3.4 ", " 1.2.3.4", "", ".", ":", "::", ":::", "::1", "1::", "1:::2",
        "2001:db8::1", "2001:DB8::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "1:2:3:4:5:6:7:8::", "12345::",
        "::ffff:192.0.2.1", "::192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:7:192.0.2.1",
        "::1.2.3.4:5", "1.2.3.4::", "::1%eth0", "[::1]", "::g", "1:2:3:4:5:6:7:", ":1::2",
        "::0:0:0:0:0:0:0", "0:0:0:0:0:0:0:0", "::0:0:0:0:0:0:0:0", "1::2::3", "::ffff:0:0",
    ]

    /// Parses with the C library, and converts mapped IPv4 addresses.
    static func twin(_ text: String) -> IPAddress? {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 { return .v4(UInt32(bigEndian: v4.s_addr)) }
        var v6 = (UInt64(0), UInt64(0))
        guard inet_pton(AF_INET6, text, &v6) == 1 else { return nil }
        return IPAddress(high: UInt64(bigEndian: v6.0), low: UInt64(bigEndian: v6.1))
    }

    @Test("Chosen texts", arguments: texts)
    func chosen(text: String) {
        #expect(IPAddress(text) == Self.twin(text))
    }

    @Test("Texts derived from these by random changes", arguments: 0..<20)
    func random(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var valid = 0
        for _ in 0..<3_000 {
            var bytes = Array(Self.texts.randomElement(using: &random)!.utf8)
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let place = Int.random(in: 0...bytes.count, using: &random)
                let byte = "0123456789abcfF:.:g".utf8.randomElement(using: &random)!
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes.insert(byte, at: place)
                case 1 where place < bytes.count: bytes[place] = byte
                default: if place < bytes.count { bytes.remove(at: place) }
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            let address = IPAddress(text)
            #expect(address == Self.twin(text), "\(text)")
            if address != nil { valid += 1 }
        }
        #expect(valid > 300)
    }

    @Test("An IPv4-mapped IPv6 address is the IPv4 address")
    func mapped() {
        #expect(IPAddress("::ffff:192.0.2.1") == IPAddress("192.0.2.1"))
        #expect(IPAddress("::ffff:c000:201") == .v4(0xC000_0201))
        #expect(IPAddress("::fffe:192.0.2.1") == .v6(high: 0, low: 0xFFFE_C000_0201))
    }
}
