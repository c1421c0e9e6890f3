import HTTPProtocol
import HTTPTypes
import Testing

@Suite("Request bodies")
struct RequestBodyTests {
    @Test("Content-Length delimits the content, and the next request follows")
    func contentLength() {
        let steps = requestSteps(
            "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello"
                + "PUT /2 HTTP/1.1\r\nHost: a\r\ncontent-length:0\r\n\r\n" + get())
        #expect(steps.heads.map(\.bodyFraming) == [.length(5), .length(0), .none])
        #expect(steps.bodies == ["hello"])
        #expect(steps.ends == 3)
        #expect(steps.refusal == nil)
    }

    @Test(
        "POST, PUT and PATCH without a length have no content", arguments: ["POST", "PUT", "PATCH"])
    func noLength(method: String) {
        let steps = requestSteps("\(method) / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(steps.heads.map(\.bodyFraming) == [.none])
        #expect(steps.ends == 1)
    }

    @Test(
        "Chunks are joined; extensions and trailers are skipped",
        arguments: [
            ("0\r\n\r\n", ""), ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            ("1\r\na\r\n2\r\nbc\r\n00\r\n\r\n", "abc"),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
            ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
            ("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"),
            ("0000000000000001\r\na\r\n0\r\n\r\n", "a"),
            ("1;x\r\na\r\n0;y=z\r\n\r\n", "a"),
            ("1 ;\tx = \"q;\\\" \" ; y\r\na\r\n0\r\n\r\n", "a"),
            ("1\r\na\r\n0\r\nX: 1\r\nContent-Length: 9\r\n\r\n", "a"),
        ])
    func chunks(content: String, body: String) {
        let steps = requestSteps(chunked(content) + get())
        #expect(steps.heads.map(\.bodyFraming) == [.chunked, .none])
        #expect(steps.bodies.joined() == body)
        #expect(steps.ends == 2)
    }

    @Test("The name of the coding is case-insensitive")
    func codingCase() {
        let text = "POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: Chunked \r\n\r\n0\r\n\r\n"
        #expect(requestSteps(text).ends == 1)
    }

    @Test("Content is given as ranges of the input, not copied")
    func ranges() {
        var parser = RequestParser(limits: HTTPLimits())
        let head = Array(chunked("").utf8)
        let start = head.withUnsafeBytes { parser.parse($0) }
        #expect(start.consumed == head.count)
        let input = Array("3\r\nabc\r\n2\r\nde".utf8)
        let first = input.withUnsafeBytes { parser.parse($0) }
        #expect(first.event == .body(3..<6) && first.consumed == 6)
        let rest = Array(input[6...])
        let second = rest.withUnsafeBytes { parser.parse($0) }
        #expect(second.event == .body(5..<7) && second.consumed == 7)
    }

    @Test(
        "A client that waits for a 100 is only reported if the request has content",
        arguments: [
            ("1.1", "Expect: 100-continue\r\nContent-Length: 1", true),
            ("1.1", "Expect: 100-Continue\r\nTransfer-Encoding: chunked", true),
            ("1.1", "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1", true),
            ("1.1", "Expect: 100-continue", false),
            ("1.1", "Expect: 100-continue\r\nContent-Length: 0", false),
            ("1.1", "Expect:\r\nContent-Length: 1", false),
            ("1.0", "Expect: 100-continue\r\nContent-Length: 1", false),
            ("1.0", "Expect: tea\r\nContent-Length: 1", false),
        ])
    func expectation(version: String, lines: String, expects: Bool) {
        let steps = requestSteps("POST / HTTP/\(version)\r\nHost: a\r\n\(lines)\r\n\r\n")
        #expect(steps.heads.map(\.expectsContinue) == [expects])
    }

    @Test("Bytes after a head that switches protocols aren't consumed")
    func upgrade() {
        let head = Array(get("Connection: Upgrade", "Upgrade: websocket").utf8)
        var parser = RequestParser(limits: HTTPLimits())
        let input = head + [0x81, 0x00]
        let (event, consumed) = input.withUnsafeBytes { parser.parse($0) }
        guard case .head = event else {
            Issue.record("\(event)")
            return
        }
        #expect(consumed == head.count)
    }
}
