import Testing

@testable import HTTPProtocol

@Suite("Headers of the PROXY protocol")
struct ProxyHeaderTests {
    typealias Event = ProxyHeaderParser.Event

    static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]
    static let v4: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 7, 0x12, 0x67, 0x01, 0xBB]
    static let v6: [UInt8] =
        [0x20, 0x01, 0x0D, 0xB8] + .init(repeating: 0, count: 11) + [1]
        + [0x20, 0x01, 0x0D, 0xB8] + .init(repeating: 0, count: 11) + [2] + [0x12, 0x67, 1, 187]
    static let source = IPAddress.v4(0xC000_0201)
    static let source6 = IPAddress.v6(high: 0x2001_0DB8_0000_0000, low: 1)

    static func v2(_ command: UInt8, _ family: UInt8, _ rest: [UInt8]) -> [UInt8] {
        signature + [command, family, UInt8(rest.count >> 8), UInt8(rest.count & 255)] + rest
    }

    static func v1(_ line: String) -> [UInt8] { Array((line + "\r\n").utf8) }

    /// A header and its meaning.
    static let headers: [([UInt8], ProxyHeader)] = [
        (v2(0x21, 0x11, v4), .ip(source, port: 4_711)),
        (v2(0x21, 0x12, v4), .ip(source, port: 4_711)),
        (v2(0x21, 0x11, v4 + [4, 0, 1, 0]), .ip(source, port: 4_711)),
        (v2(0x21, 0x11, v4 + .init(repeating: 9, count: 508)), .ip(source, port: 4_711)),
        (v2(0x21, 0x21, v6), .ip(source6, port: 4_711)),
        (
            v2(
                0x21, 0x21,
                .init(repeating: 0, count: 10) + [255, 255] + v4[..<4]
                    + .init(repeating: 0, count: 20)),
            .ip(source, port: 0)
        ),
        (v2(0x21, 0x31, .init(repeating: 47, count: 216)), .unix),
        (v2(0x21, 0x00, []), .local), (v2(0x21, 0x00, [1, 2, 3]), .local),
        (v2(0x20, 0x00, []), .local), (v2(0x20, 0x11, v4), .local), (v2(0x20, 0xFF, [1]), .local),
        (v1("PROXY TCP4 192.0.2.1 198.51.100.7 4711 443"), .ip(source, port: 4_711)),
        (v1("PROXY TCP4 192.0.2.1 255.255.255.255 0 65535"), .ip(source, port: 0)),
        (v1("PROXY TCP6 2001:db8::1 2001:db8::2 4711 443"), .ip(source6, port: 4_711)),
        (v1("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 443"), .ip(source, port: 1)),
        (v1("PROXY UNKNOWN"), .local),
        (v1("PROXY UNKNOWN " + String(repeating: "f", count: 91)), .local),
    ]

    /// An invalid header and its error.
    static let faults: [([UInt8], ProxyHeaderFault)] = [
        (Array("GET / HTTP/1.1\r\n".utf8), .noSignature), ([0x16, 3, 1], .noSignature),
        (Array("PROXXY".utf8), .noSignature), (Array("\r\n\r\nGET".utf8), .noSignature),
        (signature + [0x11], .unknownVersion), (signature + [0x22], .unknownVersion),
        (v2(0x21, 0x13, v4), .unknownFamily), (v2(0x21, 0x10, v4), .unknownFamily),
        (v2(0x21, 0x01, v4), .unknownFamily), (v2(0x21, 0x41, v6), .unknownFamily),
        (v2(0x21, 0x11, v4.dropLast()), .tooShort), (v2(0x21, 0x21, v4), .tooShort),
        (v2(0x21, 0x31, v6), .tooShort),
        (v2(0x21, 0x11, v4 + .init(repeating: 9, count: 509)), .tooLong),
        (v2(0x20, 0x00, .init(repeating: 9, count: 65_535)), .tooLong),
        (v1("PROXY UNKNOWN " + String(repeating: "f", count: 92)), .tooLong),
        (Array("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n".utf8), .malformedLine),
        (v1("PROXY TCP5 1.2.3.4 1.2.3.4 1 1"), .unknownFamily), (v1("PROXY "), .unknownFamily),
        (v1("PROXY TCP4 1.2.3.4 1.2.3.4 1"), .malformedLine),
        (v1("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 "), .malformedLine),
        (v1("PROXY TCP4  1.2.3.4 1.2.3.4 1 1"), .malformedLine),
        (v1("PROXY TCP4 1.2.3.4 1.2.3 1 1"), .malformedLine),
        (v1("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536"), .malformedLine),
        (v1("PROXY TCP4 1.2.3.4 1.2.3.4 01 1"), .malformedLine),
        (v1("PROXY TCP4 1.2.3.4 1.2.3.4 -1 1"), .malformedLine),
        (v1("PROXY TCP4 ::1 ::1 1 1"), .malformedLine),
        (v1("PROXY TCP6 1.2.3.4 1.2.3.4 1 1"), .malformedLine),
    ]

    /// Feeds the pieces, each until it is consumed. Returns the last event and the number of bytes
    /// consumed.
    static func read(_ bytes: [UInt8], cuts: [Int] = []) -> (event: Event, consumed: Int) {
        var parser = ProxyHeaderParser()
        var total = 0
        for (start, end) in zip([0] + cuts, cuts + [bytes.count]) {
            let (event, consumed) = bytes[start..<end].withUnsafeBytes { parser.parse($0) }
            total += consumed
            if event != .needMore { return (event, total) }
            #expect(consumed == end - start)
        }
        return (.needMore, total)
    }

    @Test("A header is read up to its end and no further", arguments: headers)
    func good(bytes: [UInt8], header: ProxyHeader) {
        let (event, consumed) = Self.read(bytes + Array("GET /".utf8))
        #expect(event == .header(header))
        #expect(consumed == bytes.count)
    }

    @Test("An invalid header reports its error, also to later calls", arguments: faults)
    func bad(bytes: [UInt8], fault: ProxyHeaderFault) {
        #expect(Self.read(bytes).event == .failed(fault))
        var parser = ProxyHeaderParser()
        _ = bytes.withUnsafeBytes { parser.parse($0) }
        let again = Self.headers[0].0.withUnsafeBytes { parser.parse($0) }
        #expect(again == (.failed(fault), 0))
    }

    @Test("Every beginning of a header needs more bytes", arguments: headers)
    func truncated(bytes: [UInt8], header: ProxyHeader) {
        for count in bytes.indices {
            #expect(Self.read(Array(bytes[..<count])) == (.needMore, count))
            #expect(Self.read(bytes, cuts: [count]) == (.header(header), bytes.count))
        }
        #expect(Self.read(bytes, cuts: Array(bytes.indices.dropFirst())).event == .header(header))
    }

    @Test("A signature fails at its first wrong byte", arguments: 0..<12)
    func wrongByte(place: Int) {
        for first in [Self.signature, Array("PROXY ".utf8)] where place < first.count {
            var bytes = first
            bytes[place] ^= 0x20
            #expect(Self.read(bytes) == (.failed(.noSignature), place + 1))
        }
    }

    @Test(
        "A simple second implementation returns the same, however the bytes are split",
        arguments: 0..<20)
    func twin(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var read = (good: 0, bad: 0)
        for _ in 0..<2_000 {
            var bytes = (Self.headers.map(\.0) + Self.faults.map(\.0).filter { $0.count < 600 })
                .randomElement(using: &random)!
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.insert(" \r\n0.:1".utf8.randomElement(using: &random)!, at: place)
                default: if bytes.count > 1 { bytes.remove(at: place) }
                }
            }
            let cuts = Corpus.cuts(of: bytes.count, using: &random)
            let event = Self.read(bytes, cuts: cuts).event
            let expected = SlowProxyHeader.read(bytes)
            switch event {
            case .needMore: #expect(expected == .some(nil), "\(bytes)")
            case .header(let header):
                #expect(expected == .some(header), "\(bytes)")
                read.good += 1
            case .failed:
                #expect(expected == nil, "\(bytes)")
                read.bad += 1
            }
        }
        #expect(read.good > 200 && read.bad > 200)
    }
}

/// A second implementation after the text of the specification, for all bytes at once.
enum SlowProxyHeader {
    /// The header; `.some(nil)` if these bytes may be the beginning of one; `nil` if they can't be.
    static func read(_ bytes: [UInt8]) -> ProxyHeader?? {
        let line = Array("PROXY ".utf8)
        if bytes.prefix(6).elementsEqual(line.prefix(bytes.count)) { return readLine(bytes) }
        let signature = ProxyHeaderTests.signature
        guard bytes.prefix(12).elementsEqual(signature.prefix(bytes.count)) else { return nil }
        if bytes.count > 12, ![0x20, 0x21].contains(bytes[12]) { return nil }
        guard bytes.count >= 16 else { return .some(nil) }
        let size = Int(bytes[14]) * 256 + Int(bytes[15])
        let sizes: [UInt8: Int] = [
            0x00: 0, 0x11: 12, 0x12: 12, 0x21: 36, 0x22: 36, 0x31: 216, 0x32: 216,
        ]
        if size > 520 { return nil }
        if bytes[12] == 0x21 {
            guard let least = sizes[bytes[13]], size >= least else { return nil }
        }
        guard bytes.count >= 16 + size else { return .some(nil) }
        if bytes[12] == 0x20 || bytes[13] == 0 { return .local }
        if bytes[13] >= 0x30 { return .unix }
        let isV4 = bytes[13] < 0x20
        let text =
            isV4
            ? bytes[16..<20].map { "\($0)" }.joined(separator: ".")
            : stride(from: 16, to: 32, by: 2).map {
                String(Int(bytes[$0]) * 256 + Int(bytes[$0 + 1]), radix: 16)
            }.joined(separator: ":")
        let place = isV4 ? 24 : 48
        return .ip(
            IPAddressTests.twin(text)!,
            port: UInt16(bytes[place]) * 256 + UInt16(bytes[place + 1]))
    }

    private static func readLine(_ bytes: [UInt8]) -> ProxyHeader?? {
        guard let end = bytes.prefix(107).firstIndex(of: 10) else {
            return bytes.count >= 107 ? nil : .some(nil)
        }
        let line = String(
            decoding: bytes[..<end].map { $0 < 128 ? $0 : 63 }, as: Unicode.ASCII.self)
        guard line.utf8.last == 13 else { return nil }
        let text = String(line.unicodeScalars.dropLast())
        if text == "PROXY UNKNOWN" || text.hasPrefix("PROXY UNKNOWN ") { return .local }
        let form =
            #/PROXY TCP([46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})/#
        guard let match = try? form.asciiOnlyDigits().wholeMatch(in: text) else { return nil }
        let isV6 = match.1 == "6"
        guard match.2.contains(":") == isV6, match.3.contains(":") == isV6,
            let source = IPAddressTests.twin(String(match.2)),
            IPAddressTests.twin(String(match.3)) != nil,
            let port = UInt16(match.4), UInt16(match.5) != nil
        else { return nil }
        return .ip(source, port: port)
    }
}
