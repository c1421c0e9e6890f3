import HTTPProtocol
import HTTPTypes
import Testing

/// Byte strings, valid and invalid, from which the properties below start.
enum Corpus {
    static let requests: [String] =
        [
            get(), get() + get(), "\r\n" + get(), "\r\n\r\n" + get(),
            get("Connection: close", "X-Y: \u{E9} \t z", "Empty:"),
            "GET http://h.org:80/a%20b/?q=%41 HTTP/1.1\r\nHost: x\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.0\r\n\r\nGET",
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get(),
            chunked("3;e=\"v\"\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n") + get(),
            chunked("5\r\nhel\r\n\r\n0\r\n\r\n"),
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
            String(repeating: "a", count: 300), line(of: 130), line(of: 129), line(of: 128),
        ] + RequestRefusalTests.requestLines.map { $0.0 + "\r\nHost: a\r\n\r\n" }
        + RequestRefusalTests.fieldLines.map { get($0.0) }
        + RequestRefusalTests.chunkedBodies.map { chunked($0.0) }

    private static func line(of size: Int) -> String {
        "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: size - 32) + "\r\n\r\n"
    }

    /// Tokens that change the meaning of a message.
    static let tokens = [
        "\r\n", "\r", "\n", "\r\n\r\n", "\0", " ", "\t", ":", ",", ";", "%", "%2F", "/", "?", "0",
        "1", "Host: b\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "HTTP/1.0",
        "GET ", "chunked", "\u{E9}", "5\r\n", "\"", "\\", "Expect: 100-continue\r\n", "close",
    ].map { Array($0.utf8) }

    /// Returns `bytes` with a few pieces removed, doubled, inserted or overwritten.
    static func mutated(_ bytes: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let start = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, start + Int.random(in: 0...4, using: &random))
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.removeSubrange(start..<end)
            case 1: bytes.insert(contentsOf: bytes[start..<end], at: start)
            case 2: bytes.insert(contentsOf: tokens.randomElement(using: &random)!, at: start)
            default: if start < bytes.count { bytes[start] = .random(in: 0...255, using: &random) }
            }
        }
        return bytes
    }

    static func cuts(of count: Int, using random: inout SeededGenerator) -> [Int] {
        (0..<Int.random(in: 1...6, using: &random)).map { _ in
            Int.random(in: 0...count, using: &random)
        }.sorted()
    }
}

@Suite("Events don't depend on how bytes are split")
struct CuttingTests {
    /// Small limits, so that strings of the corpus reach them.
    private static let limits = [
        HTTPLimits(), HTTPLimits(headSizeMax: 128, headerCountMax: 3, bodySizeMax: 4),
    ]

    @Test("Requests: one byte at a time, and split in two at every offset", arguments: limits)
    func everyCut(limits: HTTPLimits) {
        for text in Corpus.requests {
            let bytes = Array(text.utf8)
            let whole = requestSteps(bytes, limits: limits)
            let single = requestSteps(bytes, cuts: Array(0...bytes.count), limits: limits)
            #expect(single == whole, "\(text.debugDescription)")
            for cut in bytes.indices {
                let parts = requestSteps(bytes, cuts: [cut], limits: limits)
                if parts != whole { Issue.record("\(text.debugDescription) cut at \(cut)") }
            }
        }
    }

    @Test("Requests: mutated strings, split at random", arguments: 0..<8)
    func randomCuts(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<400 {
            let base = Array(Corpus.requests.randomElement(using: &random)!.utf8)
            let bytes = Corpus.mutated(base, using: &random)
            let limits = Self.limits.randomElement(using: &random)!
            let whole = requestSteps(bytes, limits: limits)
            let cuts = Corpus.cuts(of: bytes.count, using: &random)
            for cuts in [cuts, Array(0...bytes.count)] {
                let parts = requestSteps(bytes, cuts: cuts, limits: limits)
                if parts != whole { Issue.record("\(bytes) \(cuts): \(parts) \(whole)") }
            }
        }
    }

    @Test(
        "Responses: one byte at a time, split in two at every offset, and mutated",
        arguments: [false, true])
    func responses(isHead: Bool) {
        var random = SeededGenerator(seed: isHead ? 1 : 0)
        for text in ResponseParserTests.corpus {
            for round in 0..<20 {
                var bytes = Array(text.utf8)
                if round > 0 { bytes = Corpus.mutated(bytes, using: &random) }
                let whole = responseSteps(bytes, isHead: isHead, isFinished: true)
                var allCuts = round == 0 ? bytes.indices.map { [$0] } : []
                allCuts.append(Array(0...bytes.count))
                allCuts.append(Corpus.cuts(of: bytes.count, using: &random))
                for cuts in allCuts {
                    let parts = responseSteps(bytes, cuts: cuts, isHead: isHead, isFinished: true)
                    if parts != whole { Issue.record("\(bytes) \(cuts): \(parts) \(whole)") }
                }
            }
        }
    }
}
