import HTTPProtocol
import HTTPTypes
import Testing

@Suite("Request limits")
struct RequestLimitTests {
    private let line = "GET / HTTP/1.1\r\n"

    @Test("A head of exactly the limit is accepted, one byte more is a 431", arguments: [0, 1])
    func headSize(excess: Int) {
        let start = line + "Host: a\r\nX: "
        let value = String(repeating: "v", count: 8_192 - start.utf8.count - 4 + excess)
        let steps = requestSteps(start + value + "\r\n\r\n")
        #expect(steps.refusal == (excess == 0 ? nil : 431))
        #expect(steps.ends == 1 - excess)
    }

    @Test("A request line of exactly the limit leaves no room for fields, one byte more is a 414")
    func requestLineSize() {
        let path = String(repeating: "p", count: 8_192 - line.utf8.count)
        #expect(requestSteps("GET /\(path) HTTP/1.1\r\n").isEmpty)
        #expect(requestSteps("GET /\(path) HTTP/1.1\r\n\r").refusal == 431)
        #expect(requestSteps("GET /p\(path) HTTP/1.1\r\n").refusal == 414)
        // It is refused even if it doesn't end.
        #expect(requestSteps(String(repeating: "A", count: 8_192)).isEmpty)
        #expect(requestSteps(String(repeating: "A", count: 8_193)).refusal == 414)
    }

    @Test("A field without an end is refused at the limit")
    func endlessField() {
        let rest = 8_192 - line.utf8.count
        #expect(requestSteps(line + String(repeating: "a", count: rest)).isEmpty)
        #expect(requestSteps(line + String(repeating: "a", count: rest + 1)).refusal == 431)
    }

    @Test("Every head may use the whole limit, and an empty line before it doesn't count")
    func limitPerRequest() {
        let limits = HTTPLimits(headSizeMax: get().utf8.count)
        let steps = requestSteps("\r\n" + get() + get() + "\r\n" + get(), limits: limits)
        #expect(steps.ends == 3 && steps.refusal == nil)
    }

    @Test("As many field lines as the limit are accepted, one more is a 431", arguments: [0, 1])
    func headerCount(excess: Int) {
        let lines = String(repeating: "A:\r\n", count: 63 + excess)
        let steps = requestSteps(line + "Host: a\r\n" + lines + "\r\n")
        #expect(steps.refusal == (excess == 0 ? nil : 431))
    }

    @Test("Content-Length beyond the limit is a 413 before any content", arguments: [0, 1])
    func contentLength(excess: Int) {
        let steps = requestSteps(get("Content-Length: \(65_536 + excess)"))
        #expect(steps.refusal == (excess == 0 ? nil : 413))
        #expect(steps.heads.count == 1 - excess)
    }

    @Test(
        "Chunks that together exceed the limit are a 413 as soon as they are announced",
        arguments: [0, 1])
    func chunkedSize(excess: Int) {
        let limits = HTTPLimits(bodySizeMax: 10)
        let steps = requestSteps(chunked("8\r\n12345678\r\n\(2 + excess)\r\n"), limits: limits)
        #expect(steps.bodies == ["12345678"])
        #expect(steps.refusal == (excess == 0 ? nil : 413))
    }

    @Test("Chunk extensions that together exceed the limit are refused", arguments: [0, 1])
    func extensionSize(excess: Int) {
        let limits = HTTPLimits(headSizeMax: 100)
        let long = String(repeating: "x", count: 49)
        let last = String(repeating: "x", count: 49 + excess)
        let steps = requestSteps(chunked("1;\(long)\r\na\r\n0;\(last)\r\n\r\n"), limits: limits)
        #expect(steps.refusal == (excess == 0 ? nil : 400))
        // An extension without an end.
        let endless = chunked("1;" + String(repeating: "x", count: 200))
        #expect(requestSteps(endless, limits: limits).refusal == 400)
    }

    @Test("Trailers beyond the limit are a 431, by size and by count", arguments: [0, 1])
    func trailers(excess: Int) {
        let limits = HTTPLimits(headSizeMax: 100, headerCountMax: 3)
        let long = "T: " + String(repeating: "x", count: 93 + excess) + "\r\n"
        let bySize = requestSteps(chunked("0\r\n\(long)\r\n"), limits: limits)
        #expect(bySize.refusal == (excess == 0 ? nil : 431))
        let lines = String(repeating: "T:\r\n", count: 3 + excess)
        let byCount = requestSteps(chunked("0\r\n\(lines)\r\n"), limits: limits)
        #expect(byCount.refusal == (excess == 0 ? nil : 431))
    }

    @Test("Limits of zero refuse everything and never trap")
    func nothing() {
        let limits = HTTPLimits(headSizeMax: -1, headerCountMax: -1, bodySizeMax: -1)
        #expect(limits == HTTPLimits(headSizeMax: 0, headerCountMax: 0, bodySizeMax: 0))
        #expect(requestSteps("G", limits: limits).refusal == 414)
        #expect(HTTPLimits(headerCountMax: .max).headerCountMax == 65_000)
        let noFields = HTTPLimits(headerCountMax: 0)
        #expect(requestSteps("GET / HTTP/1.0\r\n\r\n", limits: noFields).ends == 1)
        #expect(requestSteps(get(), limits: noFields).refusal == 431)
        let noBody = HTTPLimits(bodySizeMax: 0)
        #expect(requestSteps(chunked("0\r\n\r\n"), limits: noBody).ends == 1)
        #expect(requestSteps(chunked("1\r\n"), limits: noBody).refusal == 413)
    }
}
