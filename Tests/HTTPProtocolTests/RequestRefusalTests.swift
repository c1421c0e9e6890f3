import HTTPProtocol
import HTTPTypes
import Testing

@Suite("Refused requests")
struct RequestRefusalTests {
    /// A request line and the status that refuses it.
    static let requestLines: [(String, Int)] = [
        // Shape, RFC 9112 §3.
        ("GET / HTTP/1.1 ", 400), ("GET  / HTTP/1.1", 400), (" GET / HTTP/1.1", 400),
        ("GET /", 400), ("GET", 400), ("GET / ", 400), ("GET\t/\tHTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400), (" / HTTP/1.1", 400), ("GET  HTTP/1.1", 400),
        // Method, RFC 9110 §9.1.
        ("G(T / HTTP/1.1", 400), ("G\u{E9}T / HTTP/1.1", 400), ("get / HTTP/1.1", 501),
        ("BREW / HTTP/1.1", 501), ("GETS / HTTP/1.1", 501), ("PROPFIND / HTTP/1.1", 501),
        // Version, RFC 9112 §2.3.
        ("GET / HTTP/2.0", 505), ("GET / HTTP/1.2", 505), ("GET / HTTP/0.9", 505),
        ("PRI * HTTP/2.0", 505), ("GET / http/1.1", 400), ("GET / HTTP/1", 400),
        ("GET / HTTP/11.1", 400), ("GET / HTTP/1.10", 400), ("GET / HTTP/1,1", 400),
        ("GET / HTTP/a.1", 400), ("GET / HTTPS/1.1", 400), ("GET / ", 400),
        // Target, RFC 9112 §3.2.
        ("GET * HTTP/1.1", 400), ("OPTIONS ** HTTP/1.1", 400), ("GET a HTTP/1.1", 400),
        ("GET a:80 HTTP/1.1", 400), ("GET ?a HTTP/1.1", 400), ("GET /# HTTP/1.1", 400),
        ("GET /?# HTTP/1.1", 400), ("GET /\u{E9} HTTP/1.1", 400), ("GET /?\u{E9} HTTP/1.1", 400),
        ("GET /<a> HTTP/1.1", 400), ("GET /\" HTTP/1.1", 400), ("GET /{a} HTTP/1.1", 400),
        ("GET /a\\b HTTP/1.1", 400), ("GET /?\"a HTTP/1.1", 400), ("GET /?< HTTP/1.1", 400),
        ("GET ftp://a/ HTTP/1.1", 400), ("GET http:/a HTTP/1.1", 400),
        ("GET http:// HTTP/1.1", 400), ("GET http:///x HTTP/1.1", 400),
        ("GET http://:80/ HTTP/1.1", 400), ("GET http://u@h/ HTTP/1.1", 400),
        ("GET http://h:x/ HTTP/1.1", 400), ("GET http://[::1/ HTTP/1.1", 400),
        ("CONNECT h:80 HTTP/1.1", 501), ("CONNECT h HTTP/1.1", 400), ("CONNECT / HTTP/1.1", 400),
        ("CONNECT h: HTTP/1.1", 400), ("CONNECT :80 HTTP/1.1", 400),
        // Percent-encoding, RFC 3986 §2.1.
        ("GET /% HTTP/1.1", 400), ("GET /%2 HTTP/1.1", 400), ("GET /%2/ HTTP/1.1", 400),
        ("GET /%zz HTTP/1.1", 400), ("GET /%+1 HTTP/1.1", 400), ("GET /a%2?b HTTP/1.1", 400),
        ("GET /50% HTTP/1.1", 400), ("GET /50%?x=50% HTTP/1.1", 400),
        ("GET /%00 HTTP/1.1", 400), ("GET /a%00b HTTP/1.1", 400), ("GET /%FF HTTP/1.1", 400),
        ("GET /%C0%AF HTTP/1.1", 400), ("GET /%ED%A0%80 HTTP/1.1", 400),
        ("GET /%C3/%A9 HTTP/1.1", 400),
    ]

    @Test("An invalid request line is refused", arguments: requestLines)
    func requestLine(line: String, status: Int) {
        #expect(requestSteps(line + "\r\nHost: a\r\n\r\n").refusal == status)
    }

    /// Lines after `Host: a` and the status that refuses them.
    static let fieldLines: [(String, Int)] = [
        // Syntax, RFC 9112 §5.
        ("X : 1", 400), ("X\t: 1", 400), (": 1", 400), ("X", 400), ("X(: 1", 400),
        ("\u{E9}: 1", 400), ("X Y: 1", 400), ("A: 1\r\n 2", 400), ("A: 1\r\n\t2", 400),
        (" A: 1", 400), ("A: 1\r\n ", 400),
        // Bare CR, bare LF, NUL and other controls, RFC 9112 §2.2 and RFC 9110 §5.5.
        ("X: 1\n", 400), ("X: 1\nY: 2", 400), ("X: 1\rY: 2", 400), ("X: 1\r", 400),
        ("X: \0", 400), ("X\0: 1", 400), ("X: \u{1}", 400), ("X: \u{7F}", 400), ("X: \u{1F}", 400),
        // Host, RFC 9112 §3.2.
        ("Host: a", 400), ("hOST: b", 400), ("Host:", 400),
        // Content-Length, RFC 9110 §8.6 and RFC 9112 §6.3.
        ("Content-Length:", 400), ("Content-Length: +1", 400), ("Content-Length: -1", 400),
        ("Content-Length: 1 2", 400), ("Content-Length: 0x1", 400), ("Content-Length: 1a", 400),
        ("Content-Length: 1,1", 400), ("Content-Length: 1, 1", 400), ("Content-Length: 1.0", 400),
        ("Content-Length: 1\r\nContent-Length: 1", 400), ("Content-Length: \u{661}", 400),
        ("Content-Length: 1\r\ncontent-length: 2", 400), ("Content-Length: 65537", 413),
        ("Content-Length: 9223372036854775807", 413), ("Content-Length: 9223372036854775808", 413),
        ("Content-Length: 99999999999999999999999999999999999", 413),
        // Both lengths, RFC 9112 §6.1.
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0", 400),
        ("Transfer-Encoding: gzip, chunked\r\nContent-Length: 0", 400),
        // Transfer-Encoding, RFC 9112 §6.1, §6.3 and §7.
        ("Transfer-Encoding: gzip, chunked", 501), ("Transfer-Encoding: x;a=b, chunked", 501),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
        ("Transfer-Encoding: gzip", 400), ("Transfer-Encoding: identity", 400),
        ("Transfer-Encoding: chunked, gzip", 400), ("Transfer-Encoding: xchunked", 400),
        ("Transfer-Encoding: chunked, chunked", 400), ("Transfer-Encoding: chunked, identity", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked;a=b", 400), ("Transfer-Encoding: \"chunked\"", 400),
        ("Transfer-Encoding:", 400), ("Transfer-Encoding: ,chunked", 400),
        ("Transfer-Encoding: chunked,", 400), ("Transfer-Encoding: chunk ed", 400),
        ("Transfer-Encoding: \u{B}chunked", 400), ("Transfer-Encoding : chunked", 400),
        // Expect, RFC 9110 §10.1.1.
        ("Expect: 200-ok", 417), ("Expect: 100-continue, x", 417), ("Expect: 100-continue;a", 417),
        ("Expect: 100", 417),
    ]

    @Test(
        "A type of content without a length is refused if the method has content",
        arguments: [("POST", 411), ("PUT", 411), ("PATCH", 411), ("GET", nil), ("DELETE", nil)]
            as [(String, Int?)])
    func lengthMissing(method: String, status: Int?) {
        let head = "\(method) / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
        #expect(requestSteps(head + "\r\n").refusal == status)
        #expect(requestSteps(head + "Content-Length: 0\r\n\r\n").refusal == nil)
        #expect(
            requestSteps(head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").refusal == nil)
    }

    @Test("An invalid field line is refused", arguments: fieldLines)
    func fieldLine(lines: String, status: Int) {
        #expect(requestSteps(get(lines)).refusal == status)
    }

    @Test(
        "An invalid Host is refused",
        arguments: [
            "a b", "a, b", "a/b", "u@a", "a:b", "a:65536", "a:1:2", "[::1", "[]", "[::g]", "[::1]a",
            "[::1]:x", "a?", "a#", "%", "%4", "\u{E9}", "a\\", "http://a", "a:-1", "<a>",
        ])
    func host(host: String) {
        #expect(requestSteps("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n").refusal == 400)
    }

    @Test("An HTTP/1.1 request without Host is refused, whatever the form of its target")
    func hostMissing() {
        #expect(requestSteps("GET / HTTP/1.1\r\n\r\n").refusal == 400)
        #expect(requestSteps("GET http://a/ HTTP/1.1\r\n\r\n").refusal == 400)
        #expect(requestSteps("OPTIONS * HTTP/1.1\r\n\r\n").refusal == 400)
        #expect(requestSteps("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").refusal == 400)
    }

    @Test("HTTP/1.0 with a transfer coding is refused")
    func http10Chunked() {
        let text = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
        #expect(requestSteps(text).refusal == 400)
    }

    @Test("A second empty line before a request is refused, and so is whitespace")
    func leadingLines() {
        #expect(requestSteps("\r\n\r\n" + get()).refusal == 400)
        #expect(requestSteps(" \r\n" + get()).refusal == 400)
        #expect(requestSteps("\n" + get()).refusal == 400)
        #expect(requestSteps("GET / HTTP/1.1\r\n Host: a\r\n\r\n").refusal == 400)
        #expect(requestSteps("\rGET").refusal == 400)
    }

    @Test("Invalid data is refused at its first control byte, before the line ends")
    func garbage() {
        #expect(requestSteps([0x16, 0x03, 0x01]).refusal == 400)
        #expect(requestSteps("GET / HTTP/1.1\r\nHost: a\0").refusal == 400)
    }

    /// A chunked body and the status that refuses it.
    static let chunkedBodies: [(String, Int)] = [
        ("\r\n", 400), ("g\r\n", 400), (" 1\r\na\r\n", 400), ("+1\r\n", 400), ("-1\r\n", 400),
        ("0x1\r\n", 400), ("1 \r\na\r\n", 400), ("1\n", 400), ("1\ra", 400), ("1\r\nab\r\n", 400),
        ("1\r\na\n", 400), ("1\r\na\rX", 400), ("2\r\na\r\n0\r\n\r\n", 400), ("1 a\r\n", 400),
        ("FFFFFFFFFFFFFFFF\r\n", 400), ("8000000000000000\r\n", 400),
        ("10000000000000000\r\n", 400), ("00000000000000001\r\n", 400),
        ("7FFFFFFFFFFFFFFF\r\n", 413), ("10001\r\n", 413),
        ("1;\r\n", 400), ("1;=a\r\n", 400), ("1;a=\r\n", 400), ("1;a b\r\n", 400),
        ("1;\"a\"\r\n", 400),
        ("1;a=\"b\r\n", 400), ("1;a=\"b\\\r\n", 400), ("1;a=b=c\r\n", 400), ("1;a=\"\0\"\r\n", 400),
        ("0\r\nX\r\n", 400), ("0\r\n X: 1\r\n", 400), ("0\r\nX : 1\r\n", 400), ("0\r\nX: 1\n", 400),
        ("0\r\nX: \0", 400), ("0\n", 400),
    ]

    @Test("An invalid chunk is refused", arguments: chunkedBodies)
    func chunk(content: String, status: Int) {
        let steps = requestSteps(chunked(content))
        #expect(steps.heads.count == 1)
        #expect(steps.refusal == status)
        #expect(steps.ends == 0)
    }
}
