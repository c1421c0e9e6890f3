internal import HTTPTypes

/// The fields of a head that determine the end of the message and of the connection, RFC 9112 §6
/// and §9.
struct MessageFraming: Sendable {
    /// The value of Content-Length, capped at `Int.max`.
    private(set) var contentLength: Int?
    /// Whether `close` is among the connection options.
    private(set) var hasClose = false
    /// Whether `keep-alive` is among the connection options.
    private(set) var hasKeepAlive = false
    private var codings = 0
    private var chunkedCodings = 0
    private var isChunkedLast = false

    /// Records a field if it is relevant here.
    mutating func note(_ name: Span<UInt8>, _ value: Span<UInt8>) throws(HTTPFault) {
        if name.equals(ignoringCase: "content-length") {
            try noteContentLength(value)
        } else if name.equals(ignoringCase: "transfer-encoding") {
            try noteTransferEncoding(value)
        } else if name.equals(ignoringCase: "connection") {
            noteConnection(value)
        }
    }

    private mutating func noteContentLength(_ value: Span<UInt8>) throws(HTTPFault) {
        // RFC 9112 §6.3: several different values are an unrecoverable error, and RFC 9110 §8.6
        // allows refusing equal ones. So a list fails the check for digits below.
        guard contentLength == nil else { throw .badRequest("Content-Length is repeated.") }
        guard !value.isEmpty else { throw .badRequest("Content-Length is empty.") }
        var length = 0
        for index in value.indices {
            // RFC 9110 §8.6: 1*DIGIT, so no sign, no blank and no comma.
            guard value[index].isDigit else { throw .badRequest("Content-Length is not a number.") }
            let (tens, overflow) = length.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(value[index] - 0x30))
            length = overflow || carry ? Int.max : sum
        }
        contentLength = length
    }

    private mutating func noteTransferEncoding(_ value: Span<UInt8>) throws(HTTPFault) {
        var start = 0
        while start <= value.count {
            let end = value.firstIndex(of: 0x2C, from: start) ?? value.count
            let coding = value.extracting(start..<end).trimmingBlanks()
            // RFC 9110 §5.6.1.2 tolerates empty elements. They are refused here, because the
            // message's length depends on this field.
            guard !coding.isEmpty, coding[0].isTokenByte else {
                throw .badRequest("Transfer-Encoding is malformed.")
            }
            let semicolon = coding.firstIndex(of: 0x3B)
            let name = coding.extracting(0..<(semicolon ?? coding.count)).trimmingBlanks()
            guard name.isToken else { throw .badRequest("Transfer-Encoding is malformed.") }
            isChunkedLast = name.equals(ignoringCase: "chunked")
            // RFC 9112 §7: parameters of chunked are an error.
            guard !isChunkedLast || semicolon == nil else {
                throw .badRequest("The chunked coding must not have parameters.")
            }
            codings += 1
            chunkedCodings += isChunkedLast ? 1 : 0
            start = end + 1
        }
    }

    private mutating func noteConnection(_ value: Span<UInt8>) {
        var start = 0
        while start <= value.count {
            let end = value.firstIndex(of: 0x2C, from: start) ?? value.count
            let option = value.extracting(start..<end).trimmingBlanks()
            // RFC 9110 §7.6.1: options are case-insensitive.
            if option.equals(ignoringCase: "close") { hasClose = true }
            if option.equals(ignoringCase: "keep-alive") { hasKeepAlive = true }
            start = end + 1
        }
    }

    /// Returns whether the sender wants to keep the connection, RFC 9112 §9.3.
    func keepAlive(isHTTP10: Bool) -> Bool {
        !hasClose && (!isHTTP10 || hasKeepAlive)
    }

    /// Returns how the content ends. Throws if that can't be trusted; RFC 9112 §6.3.
    func bodyFraming(isHTTP10: Bool) throws(HTTPFault) -> BodyFraming {
        guard codings > 0 else { return contentLength.map { .length($0) } ?? .none }
        // §6.1: both may be refused, and are probably an attempt at request smuggling.
        guard contentLength == nil else {
            throw .badRequest("Content-Length and Transfer-Encoding are both given.")
        }
        // §6.1: HTTP/1.0 has no transfer codings, so the framing is faulty.
        guard !isHTTP10 else { throw .badRequest("HTTP/1.0 has no Transfer-Encoding.") }
        // §6.3 (4.): a request whose last coding is not chunked MUST get a 400.
        guard isChunkedLast else { throw .badRequest("The last transfer coding is not chunked.") }
        // §6.1: chunked MUST NOT be applied more than once.
        guard chunkedCodings == 1 else { throw .badRequest("The chunked coding is repeated.") }
        // §6.1: an unknown coding.
        guard codings == 1 else {
            throw .notImplemented("The only supported transfer coding is chunked.")
        }
        return .chunked
    }
}

/// The syntax of field lines, RFC 9112 §5.
enum FieldLine {
    /// Returns the position of the colon in a field line, after validating the name.
    static func colon(in line: Span<UInt8>) throws(HTTPFault) -> Int {
        // §5.2: a folded line; §2.2: whitespace before the first field line.
        guard !line.isEmpty, !line[0].isBlank else { throw .badRequest("A field line is folded.") }
        guard let colon = line.firstIndex(of: 0x3A) else {
            throw .badRequest("A field line has no colon.")
        }
        // §5.1: no whitespace between name and colon; the name is a token.
        guard line.extracting(0..<colon).isToken else {
            throw .badRequest("A field name is not a token.")
        }
        return colon
    }

    /// Returns the field of a validated line.
    static func field(_ line: Span<UInt8>, colon: Int) throws(HTTPFault) -> HTTPField {
        guard let name = HTTPField.Name(line.extracting(0..<colon).string) else {
            throw .badRequest("A field name is not a token.")
        }
        return line.extracting(colon + 1..<line.count).trimmingBlanks().field(named: name)
    }
}
