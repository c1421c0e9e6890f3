package import HTTPTypes

/// The next event of a ``ResponseParser``.
package enum ResponseEvent: Sendable, Equatable {
    /// The input is consumed as far as possible; more is needed.
    case needMore
    /// A response begins; it may be an interim one (status 1xx). `.end` or `.failed` follows.
    case head(HTTPResponse)
    /// Content, as offsets in the current input; never empty.
    case body(Range<Int>)
    /// The response is complete. After an interim response, another one follows.
    case end
    /// The response is invalid (502). Every later call returns the same event.
    case failed(HTTPFault)
}

/// An incremental and strict parser of HTTP/1.1 responses with limits, for clients, RFC 9112.
///
/// After a 101 it returns `.end` and consumes nothing more: the rest belongs to the next protocol.
package struct ResponseParser: ~Copyable {
    private enum Phase {
        case head, body, upgraded
        case failed(HTTPFault)
    }

    /// Whether the request was a HEAD. Its response never has content, RFC 9112 §6.3 (1.).
    package var isHead = false
    /// Whether the server keeps the connection after the response of the last head, RFC 9112 §9.3.
    package private(set) var keepAlive = false

    private let limits: HTTPLimits
    private var phase = Phase.head
    private var lines = LineReader()
    private var response: HTTPResponse?
    private var isHTTP10 = false
    private var framing = MessageFraming()
    private var fieldCount = 0
    private var headSize = 0
    private var body: BodyReader
    private var isUpgrade = false

    package init(limits: HTTPLimits) {
        self.limits = limits
        body = BodyReader(.none, limits: limits)
    }

    /// Consumes bytes from the start of `input`. Returns the event and the number of bytes
    /// consumed.
    ///
    /// Call it again with the rest, even an empty one, until it returns `.needMore`.
    package mutating func parse(
        _ input: UnsafeRawBufferPointer
    ) -> (event: ResponseEvent, consumed: Int) {
        // Safety: the caller guarantees `input` during this call, and nothing outlives it.
        let bytes = unsafe Span<UInt8>(_bytes: input.bytes)
        do throws(HTTPFault) {
            switch phase {
            case .head: return try parseHead(bytes)
            case .body: return try parseBody(bytes)
            case .upgraded: return (.needMore, 0)
            case .failed(let fault): return (.failed(fault), 0)
            }
        } catch {
            return (fail(error), 0)
        }
    }

    /// Ends the input, because the connection has ended. Returns `.end`, `.failed`, or `.needMore`
    /// if no response had begun. Call it after `.needMore`.
    package mutating func finish() -> ResponseEvent {
        switch phase {
        case .head where lines.isEmpty && response == nil: return .needMore
        case .upgraded: return .needMore
        case .body where body.endsAtClose:
            phase = .head
            return .end
        // RFC 9112 §8: an incomplete message.
        case .head, .body: return fail(.badResponse("The connection ended within a response."))
        case .failed(let fault): return .failed(fault)
        }
    }

    private mutating func fail(_ fault: HTTPFault) -> ResponseEvent {
        let badResponse = HTTPFault.badResponse(fault.detail)
        phase = .failed(badResponse)
        return .failed(badResponse)
    }

    private mutating func parseHead(
        _ input: Span<UInt8>
    ) throws(HTTPFault) -> (event: ResponseEvent, consumed: Int) {
        var position = 0
        while true {
            let head: HTTPResponse?
            switch try lines.read(input, from: position, budget: limits.headSizeMax - headSize) {
            case .needMore: return (.needMore, input.count)
            case .overLimit: throw .headerFieldsTooLarge
            case .whole(let range):
                position = range.upperBound + 2
                head = try addLine(input.extracting(range))
            case .joined(let line, let end):
                position = end
                head = try addLine(line.span)
            }
            if let head { return (.head(head), position) }
        }
    }

    /// Adds a line to the head. Returns the head if the line was the last.
    private mutating func addLine(_ line: Span<UInt8>) throws(HTTPFault) -> HTTPResponse? {
        headSize += line.count + 2
        guard let head = response else {
            response = HTTPResponse(status: try parseStatusLine(line))
            return nil
        }
        if line.isEmpty {
            try beginBody(head.status)
            return head
        }
        fieldCount += 1
        guard fieldCount <= limits.headerCountMax else { throw .headerFieldsTooLarge }
        let colon = try FieldLine.colon(in: line)
        let value = line.extracting(colon + 1..<line.count).trimmingBlanks()
        try framing.note(line.extracting(0..<colon), value)
        response?.headerFields.append(try FieldLine.field(line, colon: colon))
        return nil
    }

    /// Parses `HTTP-version SP 3DIGIT SP [ reason-phrase ]`, RFC 9112 §4. The last space may be
    /// missing where there is no phrase: common servers leave it out, and clients ignore the phrase
    /// anyway.
    private mutating func parseStatusLine(
        _ line: Span<UInt8>
    ) throws(HTTPFault) -> HTTPResponse.Status {
        guard line.count >= 12, line[8] == 0x20, line.count == 12 || line[12] == 0x20 else {
            throw .badResponse("The status line is malformed.")
        }
        isHTTP10 = try RequestHeadBuilder.isHTTP10(line.extracting(0..<8))
        var code = 0
        for index in 9..<12 {
            guard line[index].isDigit else { throw .badResponse("The status is not a number.") }
            code = code * 10 + Int(line[index] - 0x30)
        }
        // RFC 9110 §15: the valid codes are 100 to 599.
        guard 100...599 ~= code else { throw .badResponse("The status is out of range.") }
        let reason = line.extracting(min(13, line.count)..<line.count).string
        return HTTPResponse.Status(code: code, reasonPhrase: reason)
    }

    private mutating func beginBody(_ status: HTTPResponse.Status) throws(HTTPFault) {
        let declared = try framing.bodyFraming(isHTTP10: isHTTP10)
        keepAlive = framing.keepAlive(isHTTP10: isHTTP10)
        // RFC 9112 §6.3 (1.): these end after the head, whatever their fields say.
        let hasNoContent = isHead || status.code < 200 || status.code == 204 || status.code == 304
        switch declared {
        case _ where hasNoContent: body = BodyReader(.none, limits: limits)
        case .none:
            body = BodyReader(untilClose: limits)
            keepAlive = false
        case .length(let length):
            guard length <= limits.bodySizeMax else { throw .contentTooLarge }
            body = BodyReader(declared, limits: limits)
        case .chunked: body = BodyReader(declared, limits: limits)
        }
        phase = .body
        isUpgrade = status == .switchingProtocols
        response = nil
        framing = MessageFraming()
        fieldCount = 0
        headSize = 0
    }

    private mutating func parseBody(
        _ input: Span<UInt8>
    ) throws(HTTPFault) -> (event: ResponseEvent, consumed: Int) {
        switch try body.next(input) {
        case .needMore: return (.needMore, input.count)
        case .body(let range): return (.body(range), range.upperBound)
        case .end(let consumed):
            phase = isUpgrade ? .upgraded : .head
            return (.end, consumed)
        }
    }
}
