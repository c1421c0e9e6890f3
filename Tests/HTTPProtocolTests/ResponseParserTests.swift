import HTTPProtocol
import HTTPTypes
import Testing

@Suite("Response parser")
struct ResponseParserTests {
    static let corpus = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"
            + "2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nA: b\r\n\r\nuntil the end",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\u{1}\u{2}",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
    ]

    private func steps(_ text: String, isHead: Bool = false, isFinished: Bool = false) -> [Step] {
        responseSteps(Array(text.utf8), isHead: isHead, isFinished: isFinished)
    }

    private func codes(_ steps: [Step]) -> [Int] {
        steps.compactMap { if case .response(let head) = $0 { head.status.code } else { nil } }
    }

    @Test("Responses with a length, with chunks and without content follow one another")
    func sequence() {
        let first = steps(Self.corpus[0])
        #expect(codes(first) == [200, 204] && first.bodies == ["hi"] && first.ends == 2)
        let second = steps(Self.corpus[1])
        #expect(codes(second) == [100, 200] && second.bodies == ["hi"] && second.ends == 2)
        #expect(codes(steps(Self.corpus[4] + Self.corpus[0])) == [304, 200, 204])
    }

    @Test("A response without a length lasts until the connection ends")
    func untilClose() {
        #expect(steps(Self.corpus[2]).ends == 0)
        let closed = steps(Self.corpus[2], isFinished: true)
        #expect(closed.bodies == ["until the end"] && closed.ends == 1)
    }

    @Test("Nothing is consumed after a 101")
    func upgrade() {
        var parser = ResponseParser(limits: HTTPLimits())
        let bytes = Array(Self.corpus[3].utf8)
        let (event, consumed) = bytes.withUnsafeBytes { parser.parse($0) }
        guard case .head(let head) = event else {
            Issue.record("\(event)")
            return
        }
        #expect(head.status == .switchingProtocols && head.headerFields[.upgrade] == "websocket")
        #expect(consumed == bytes.count - 2)
        let rest = Array(bytes[consumed...])
        let end = rest.withUnsafeBytes { parser.parse($0) }
        #expect(end == (.end, 0))
        let after = rest.withUnsafeBytes { parser.parse($0) }
        #expect(after == (.needMore, 0))
        let finish = parser.finish()
        #expect(finish == .needMore)
    }

    @Test("A response to HEAD ends after its head, also after interim responses")
    func head() {
        let text = "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
        let all = steps(text, isHead: true, isFinished: true)
        #expect(codes(all) == [103, 200] && all.ends == 2 && all.refusal == nil)
    }

    @Test(
        "The connection is kept, or not",
        arguments: [
            ("1.1", "Content-Length: 0", true), ("1.0", "Content-Length: 0", false),
            ("1.1", "Connection: close\r\nContent-Length: 0", false), ("1.1", "A: b", false),
            ("1.0", "Connection: keep-alive\r\nContent-Length: 0", true),
        ])
    func keepAlive(version: String, lines: String, isKept: Bool) {
        var parser = ResponseParser(limits: HTTPLimits())
        let bytes = Array("HTTP/\(version) 200 OK\r\n\(lines)\r\n\r\n".utf8)
        _ = bytes.withUnsafeBytes { parser.parse($0) }
        let keepAlive = parser.keepAlive
        #expect(keepAlive == isKept)
    }

    @Test(
        "An invalid response fails",
        arguments: [
            "\r\n", "HTTP/1.1  200 OK\r\n", "HTTP/1.1 20 OK\r\n",
            "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 2x0 OK\r\n", "HTTP/1.1 099 X\r\n",
            "HTTP/1.1 600 X\r\n", "HTTP/2.0 200 OK\r\n", "http/1.1 200 OK\r\n", "ICY 200 OK\r\n",
            "HTTP/1.1 200 OK\n", "HTTP/1.1 200 O\0K\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        ])
    func failures(text: String) {
        #expect(steps(text).refusal == 502)
    }

    @Test(
        "A status line without a reason phrase is valid, with or without the last space",
        arguments: ["HTTP/1.1 204\r\n\r\n", "HTTP/1.1 204 \r\n\r\n", "HTTP/1.0 204\r\n\r\n"])
    func noReason(text: String) {
        let all = steps(text, isFinished: true)
        #expect(codes(all) == [204] && all.ends == 1 && all.refusal == nil)
        guard case .response(let head) = all.first else { return }
        #expect(head.status.reasonPhrase == "")
    }

    @Test(
        "The end of the connection within a response is an error",
        arguments: ["HTTP/1.1", corpus[0] + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh"])
    func truncated(text: String) {
        #expect(steps(text, isFinished: true).refusal == 502)
    }

    @Test("The end of the connection between responses is no error")
    func endedIdle() {
        #expect(steps("", isFinished: true).isEmpty)
        #expect(steps(Self.corpus[0], isFinished: true).refusal == nil)
    }

    @Test("The limits refuse one more", arguments: [0, 1])
    func limits(excess: Int) {
        let limits = HTTPLimits(headSizeMax: 64, headerCountMax: 2, bodySizeMax: 3)
        func refusal(_ text: String) -> Int? {
            responseSteps(Array(text.utf8), limits: limits).refusal
        }
        let expected = excess == 0 ? nil : 502
        let filler = String(repeating: "x", count: 64 - 24 + excess)
        #expect(refusal("HTTP/1.1 200 OK\r\nX: " + filler + "\r\n\r\n") == expected)
        let lines = String(repeating: "A:\r\n", count: 2 + excess)
        #expect(refusal("HTTP/1.1 200 OK\r\n" + lines + "\r\n") == expected)
        let body = String(repeating: "b", count: 3 + excess)
        #expect(refusal("HTTP/1.1 200 OK\r\n\r\n" + body) == expected)
    }
}
