import HTTPProtocol
import HTTPTypes

/// Checks the sources of a client's address. The header of the PROXY protocol has the same result
/// however it is split, and text of a client never hides the hop that a proxy adds.
enum ProxyHeaderTarget {
    static func test(_ input: FuzzInput) {
        let bytes = input.rest
        var random = input.generator
        let whole = read(bytes, [])
        for cuts in [Array(bytes.indices), random.cuts(of: bytes.count)] {
            let read = read(bytes, cuts)
            require(read.0, equals: whole.0, "cut at \(cuts)")
            if case .header = whole.0 { require(read.1, equals: whole.1, "size at \(cuts)") }
        }
        if whole.1 > ProxyHeaderParser.sizeMax { fail("\(whole.1) bytes consumed") }
        testHops(String(decoding: bytes, as: UTF8.self))
    }

    private static func read(
        _ bytes: [UInt8], _ cuts: [Int]
    ) -> (ProxyHeaderParser.Event, Int) {
        var parser = ProxyHeaderParser()
        var total = 0
        for (start, end) in zip([0] + cuts, cuts + [bytes.count]) {
            let (event, consumed) = bytes[start..<end].withUnsafeBytes { parser.parse($0) }
            total += consumed
            if event != .needMore { return (event, total) }
            require(consumed, equals: end - start, "more is needed, but not all consumed")
        }
        return (.needMore, total)
    }

    private static func testHops(_ text: String) {
        let hop = IPAddress("192.0.2.1")
        for (hops, name, added) in [
            (ForwardedHops.xForwardedFor, "X-Forwarded-For", "192.0.2.1"),
            (.forwarded, "Forwarded", "proto=https;for=\"192.0.2.1:4711\""),
        ] {
            let name = HTTPField.Name(name)!
            let joined: HTTPFields = [name: text + ", " + added]
            require(hops.last(of: joined) { _ in true }, equals: hop, "one line")
            var lines: HTTPFields = [name: text]
            _ = hops.last(of: lines) { _ in false }
            lines.append(HTTPField(name: name, value: added))
            require(hops.last(of: lines) { _ in true }, equals: hop, "two lines")
        }
    }
}
