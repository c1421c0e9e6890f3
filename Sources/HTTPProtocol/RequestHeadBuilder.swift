internal import HTTPTypes

/// A request head under construction, built line by line.
struct RequestHeadBuilder: Sendable {
    private struct StartLine: Sendable {
        var method: HTTPRequest.Method
        var target: RequestTarget
        var isHTTP10: Bool
    }

    private var startLine: StartLine?
    private var fields = HTTPFields()
    private var fieldCount = 0
    private var framing = MessageFraming()
    private var host: String?
    private var expectsContinue = false

    /// Whether the request line is complete.
    var hasStartLine: Bool { startLine != nil }
    var isHead: Bool { startLine?.method == .head }
    var origin: String? { fields[.origin] }

    /// Parses the request line: `method SP request-target SP HTTP-version`, RFC 9112 §3.
    mutating func addStartLine(_ line: Span<UInt8>) throws(HTTPFault) {
        // §3 allows splitting at any whitespace; this requires exactly one SP each.
        guard let first = line.firstIndex(of: 0x20),
            let second = line.firstIndex(of: 0x20, from: first + 1),
            line.firstIndex(of: 0x20, from: second + 1) == nil
        else { throw .badRequest("The request line must have three parts.") }
        let method = line.extracting(0..<first)
        guard method.isToken else { throw .badRequest("The method is not a token.") }
        let isHTTP10 = try Self.isHTTP10(line.extracting(second + 1..<line.count))
        // RFC 9110 §9.1: an unknown method is answered with 501. Methods are case-sensitive.
        guard let known = Self.known(method) else {
            throw .notImplemented("This server does not support this method.")
        }
        let target = try RequestTarget(line.extracting(first + 1..<second), method: method)
        startLine = StartLine(method: known, target: target, isHTTP10: isHTTP10)
        fields.reserveCapacity(12)
    }

    /// Returns whether the version is HTTP/1.0. RFC 9112 §2.3: `HTTP/` DIGIT `.` DIGIT,
    /// case-sensitive.
    static func isHTTP10(_ version: Span<UInt8>) throws(HTTPFault) -> Bool {
        guard version.count == 8, version.extracting(0..<5).equals("HTTP/"), version[5].isDigit,
            version[6] == 0x2E, version[7].isDigit
        else { throw .badRequest("The HTTP version is malformed.") }
        guard version[5] == 0x31, version[7] <= 0x31 else { throw .versionNotSupported }
        return version[7] == 0x30
    }

    private static func known(_ method: Span<UInt8>) -> HTTPRequest.Method? {
        if method.equals("GET") { return .get }
        if method.equals("POST") { return .post }
        let others: [HTTPRequest.Method] = [
            .head, .put, .delete, .connect, .options, .trace, .patch,
        ]
        for other in others where method.equals(other.rawValue) { return other }
        return nil
    }

    /// Parses one field line, RFC 9112 §5.
    mutating func addField(_ line: Span<UInt8>, countMax: Int) throws(HTTPFault) {
        fieldCount += 1
        // RFC 6585 §5.
        guard fieldCount <= countMax else { throw .headerFieldsTooLarge }
        let colon = try FieldLine.colon(in: line)
        let name = line.extracting(0..<colon)
        let value = line.extracting(colon + 1..<line.count).trimmingBlanks()
        if name.equals(ignoringCase: "host") {
            // RFC 9112 §3.2: a repeated or invalid Host is answered with 400.
            guard host == nil else { throw .badRequest("Host is repeated.") }
            guard Authority.isValid(value) else { throw .badRequest("Host is malformed.") }
            host = value.string
            return
        }
        try framing.note(name, value)
        if name.equals(ignoringCase: "expect") { try noteExpect(value) }
        fields.append(try FieldLine.field(line, colon: colon))
    }

    /// Records a list of expectations. RFC 9110 §10.1.1 defines only `100-continue`.
    private mutating func noteExpect(_ value: Span<UInt8>) throws(HTTPFault) {
        // RFC 9110 §10.1.1: expectations in an HTTP/1.0 request are ignored.
        guard startLine?.isHTTP10 == false else { return }
        var start = 0
        while start <= value.count {
            let end = value.firstIndex(of: 0x2C, from: start) ?? value.count
            let expectation = value.extracting(start..<end).trimmingBlanks()
            if expectation.equals(ignoringCase: "100-continue") {
                expectsContinue = true
            } else if !expectation.isEmpty {
                throw .expectationFailed
            }
            start = end + 1
        }
    }

    /// Returns the head after its empty line.
    func finish(bodySizeMax: Int) throws(HTTPFault) -> RequestHead {
        guard let startLine else { throw .badRequest("The request line is missing.") }
        let isHTTP10 = startLine.isHTTP10
        // RFC 9112 §3.2: an HTTP/1.1 request without Host is answered with 400, whatever the form
        // of its target.
        guard host != nil || isHTTP10 else { throw .badRequest("Host is missing.") }
        let bodyFraming = try framing.bodyFraming(isHTTP10: isHTTP10)
        // RFC 9110 §15.5.12: a request that gives the type of its content must give the length as
        // well. Without a length or a coding, it would have no content (RFC 9112 §6.3).
        if bodyFraming == .none, fields[.contentType] != nil {
            switch startLine.method {
            case .post, .put, .patch: throw .lengthRequired
            default: break
            }
        }
        if case .length(let length) = bodyFraming {
            // RFC 9110 §15.5.14: refused before any of the content is read.
            guard length <= bodySizeMax else { throw .contentTooLarge }
        }
        let target = startLine.target
        return RequestHead(
            request: HTTPRequest(
                method: startLine.method, scheme: target.scheme,
                // RFC 9112 §3.2.2: the authority of the target takes precedence over Host.
                authority: target.authority ?? host, path: target.path, headerFields: fields),
            pathSegments: target.segments, query: target.query,
            keepAlive: framing.keepAlive(isHTTP10: isHTTP10), bodyFraming: bodyFraming,
            // RFC 9110 §10.1.1: no 100 if there is no content.
            expectsContinue: expectsContinue && bodyFraming.hasContent, isHTTP10: isHTTP10)
    }
}
