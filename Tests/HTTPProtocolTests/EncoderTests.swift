import HTTPProtocol
import HTTPTypes
import Testing

@Suite("Writers")
struct EncoderTests {
    private func encoded(
        _ response: HTTPResponse, body: String = "", isHead: Bool = false, keepAlive: Bool = true,
        date: String? = nil
    ) -> String {
        var output: [UInt8] = []
        ResponseEncoder.encode(
            response, body: Array(body.utf8), isHead: isHead, keepAlive: keepAlive, date: date,
            into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    @Test("A response has its length, its connection option and its date")
    func response() {
        let response = HTTPResponse(status: .ok, headerFields: [.contentType: "text/plain"])
        #expect(
            encoded(response, body: "hi", date: "Sun, 06 Nov 1994 08:49:37 GMT")
                == "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                + "Content-Type: text/plain\r\nConnection: keep-alive\r\nContent-Length: 2\r\n"
                + "\r\nhi")
        #expect(
            encoded(HTTPResponse(status: 299), keepAlive: false)
                == "HTTP/1.1 299 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    }

    @Test("It appends to what the buffer holds")
    func appends() {
        var output = Array("x".utf8)
        ResponseEncoder.encodeUpgrade(HTTPResponse(status: 101), into: &output)
        #expect(String(decoding: output, as: UTF8.self) == "xHTTP/1.1 101 \r\n\r\n")
        #expect(ResponseEncoder.continue100 == Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
    }

    @Test("A response to HEAD has the length without the content")
    func head() {
        let text = encoded(HTTPResponse(status: .ok), body: "hello", isHead: true)
        #expect(text.hasSuffix("Content-Length: 5\r\n\r\n"))
    }

    @Test("Statuses without content have neither length nor content", arguments: [204, 304])
    func noContent(code: Int) {
        let text = encoded(HTTPResponse(status: .init(code: code)), body: "no")
        #expect(text == "HTTP/1.1 \(code) \r\nConnection: keep-alive\r\n\r\n")
    }

    @Test("An interim response has only its own fields, and a 205 has a length of 0")
    func interim() {
        #expect(encoded(HTTPResponse(status: 103), body: "no") == "HTTP/1.1 103 \r\n\r\n")
        let reset = encoded(HTTPResponse(status: .resetContent), body: "no")
        #expect(reset.hasSuffix("Content-Length: 0\r\n\r\n"))
    }

    @Test("Fields that frame the message come from the writer only")
    func ownFields() {
        let response = HTTPResponse(
            status: .upgradeRequired,
            headerFields: [
                .contentLength: "99", .transferEncoding: "chunked", .connection: "keep-alive",
                .upgrade: "websocket", .date: "then",
            ])
        #expect(
            encoded(response, keepAlive: false, date: "now")
                == "HTTP/1.1 426 Upgrade Required\r\nDate: now\r\nUpgrade: websocket\r\n"
                + "Connection: close, upgrade\r\nContent-Length: 0\r\n\r\n")
    }

    @Test("No value, reason or date can end its line")
    func injection() {
        let evil = "a\r\nSet-Cookie: b\r\n\r\n\0c"
        var response = HTTPResponse(status: .init(code: 200, reasonPhrase: evil))
        response.headerFields.append(
            HTTPField(name: .server, lenientValue: Array(evil.utf8)))
        response.headerFields[.location] = evil
        let text = encoded(response, date: evil)
        let bytes = Array(text.utf8)
        #expect(!bytes.contains(0))
        #expect(bytes.count { $0 == 0x0A } == 7 && bytes.count { $0 == 0x0D } == 7)
        #expect(!text.contains("\nSet-Cookie"))
    }

    @Test("A reason phrase is written in Latin-1")
    func reason() {
        var output: [UInt8] = []
        let status = HTTPResponse.Status(code: 200, reasonPhrase: "é€")
        ResponseEncoder.encodeUpgrade(HTTPResponse(status: status), into: &output)
        #expect(output == Array("HTTP/1.1 200 ".utf8) + [0xE9, 0x20] + "\r\n\r\n".utf8)
    }

    @Test("A 101 has its fields unchanged")
    func upgrade() {
        var output: [UInt8] = []
        let response = HTTPResponse(
            status: .switchingProtocols,
            headerFields: [.connection: "Upgrade", .upgrade: "websocket"])
        ResponseEncoder.encodeUpgrade(response, into: &output)
        #expect(
            String(decoding: output, as: UTF8.self)
                == "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                + "Upgrade: websocket\r\n\r\n")
    }

    @Test("An error is answered with problem details")
    func problem() {
        var output: [UInt8] = []
        ResponseEncoder.encode(
            problem: .methodNotAllowed(allow: [.get, .head]), isHead: false, keepAlive: true,
            date: nil, into: &output)
        let body =
            "{\"type\":\"about:blank\",\"title\":\"Method Not Allowed\",\"status\":405,"
            + "\"detail\":\"This resource does not support this method.\"}"
        #expect(
            String(decoding: output, as: UTF8.self)
                == "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n"
                + "Content-Type: application/problem+json\r\nConnection: keep-alive\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n" + body)
    }

    @Test("The text of a problem is escaped as JSON, and a response to HEAD has no content")
    func problemText() {
        var output: [UInt8] = []
        let fault = HTTPFault(status: 418, detail: "\"\\\u{1}\n\u{E9}")
        ResponseEncoder.encode(
            problem: fault, isHead: false, keepAlive: false, date: nil, into: &output)
        let text = String(decoding: output, as: UTF8.self)
        let body =
            "{\"type\":\"about:blank\",\"status\":418,\"detail\":\"\\\"\\\\\\u0001\\u000aé\"}"
        #expect(text.hasSuffix("\r\n\r\n" + body))
        #expect(text.contains("Connection: close\r\n"))
        output = []
        ResponseEncoder.encode(
            problem: fault, isHead: true, keepAlive: false, date: nil, into: &output)
        #expect(output.suffix(4) == Array("\r\n\r\n".utf8)[...])
    }

    @Test("The common errors have their statuses and fields")
    func faults() {
        let codes = [
            HTTPFault.badRequest(""), .notFound, .requestTimeout, .lengthRequired, .contentTooLarge,
            .uriTooLong, .expectationFailed, .headerFieldsTooLarge, .internalServerError,
            .notImplemented(""), .versionNotSupported, .tooManyConnections, .badResponse(""),
        ].map(\.status.code)
        #expect(codes == [400, 404, 408, 411, 413, 414, 417, 431, 500, 501, 505, 503, 502])
        #expect(HTTPFault.tooManyConnections.headerFields[.retryAfter] == "5")
    }

    private func encoded(_ request: HTTPRequest, body: String = "") -> String {
        var output: [UInt8] = []
        RequestEncoder.encode(request, body: Array(body.utf8), into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    @Test("A request has its Host first, and a length if the method expects content")
    func request() {
        var request = HTTPRequest(method: .get, scheme: nil, authority: "h:1", path: "/a?b")
        request.headerFields = [.contentLength: "9", .accept: "*/*"]
        #expect(encoded(request) == "GET /a?b HTTP/1.1\r\nHost: h:1\r\nAccept: */*\r\n\r\n")
        request.method = .post
        request.path = ""
        request.headerFields = [:]
        #expect(encoded(request) == "POST / HTTP/1.1\r\nHost: h:1\r\nContent-Length: 0\r\n\r\n")
        request.method = .delete
        #expect(encoded(request, body: "x").hasSuffix("Content-Length: 1\r\n\r\nx"))
    }

    @Test("A target can't break its line")
    func requestTarget() {
        let request = HTTPRequest(
            method: .get, scheme: nil, authority: "h", path: "/ é\r\nX: y HTTP/1.1\r\n\r\n")
        let text = encoded(request)
        #expect(text == "GET /%20%C3%A9%20%20X:%20y%20HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n")
    }

    @Test("A message that one side writes is read by the other")
    func roundTrip() {
        let request = HTTPRequest(
            method: .put, scheme: nil, authority: "h:80", path: "/x?y", headerFields: [.te: "a"])
        var output: [UInt8] = []
        RequestEncoder.encode(request, body: Array("body".utf8), into: &output)
        let steps = requestSteps(output)
        #expect(steps.heads.first?.request.authority == "h:80")
        #expect(steps.heads.first?.request.headerFields[.te] == "a")
        #expect(steps.bodies == ["body"] && steps.ends == 1)

        output = ResponseEncoder.continue100
        ResponseEncoder.encode(
            HTTPResponse(status: .created, headerFields: [.location: "/1"]), body: [1, 2, 3],
            isHead: false, keepAlive: true, date: nil, into: &output)
        ResponseEncoder.encode(
            problem: .notFound, isHead: false, keepAlive: false, date: nil, into: &output)
        let answers = responseSteps(output, cuts: Array(0...output.count))
        #expect(answers.ends == 3 && answers.refusal == nil)
        #expect(answers.contains(.body([1, 2, 3])))
    }
}
