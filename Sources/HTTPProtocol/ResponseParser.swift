package import HTTPTypes

/// What a ``ResponseParser`` found next.
package enum ResponseEvent: Sendable, Equatable {
    /// All that can be consumed is consumed and nothing can be said yet.
    case needMore
    /// A response begins, an interim one perhaps (status 1xx); `.end` follows it in any case.
    case head(HTTPResponse)
    /// Content, as a range of offsets in the input just given; never empty.
    case body(Range<Int>)
    /// The response is complete; after an interim one, another comes.
    case end
    /// The response can't be understood (502); every later call says the same.
    case failed(HTTPFault)
}

/// An incremental, bounded and strict parser of HTTP/1.1 responses: the client's side, RFC 9112.
///
/// After a 101 it gives `.end` and consumes nothing more: the rest is the next protocol's.
package struct ResponseParser: ~Copyable {
    private enum Phase {
        case head, body, upgraded
        case failed(HTTPFault)
    }

    /// Whether the request was a HEAD, whose response never has content, RFC 9112 §6.3 (1.).
    package var isHead = false
    /// Whether the server keeps the connection after the last head's response, RFC 9112 §9.3.
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

    /// Consumes from the start of `input`; returns the event and how many bytes were consumed.
    ///
    /// Call again with the rest, even when that is empty, until `.needMore`.
    package mutating func parse(
        _ input: UnsafeRawBufferPointer
    ) -> (event: ResponseEvent, consumed: Int) {
        // Safety: the caller vouches for `input` during this call, and nothing outlives it.
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

    /// Tells the parser that the connection has ended; `.end`, `.failed`, or `.needMore` if no
    /// response had begun. Call it after `.needMore`.
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

    /// Takes one line of the head; returns the head when it was the last.
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

    /// RFC 9112 §4: `HTTP-version SP 3DIGIT SP [ reason-phrase ]`.
    private mutating func parseStatusLine(
        _ line: Span<UInt8>
    ) throws(HTTPFault) -> HTTPResponse.Status {
        guard line.count >= 13, line[8] == 0x20, line[12] == 0x20 else {
            throw .badResponse("The status line is malformed.")
        }
        isHTTP10 = try RequestHeadBuilder.isHTTP10(line.extracting(0..<8))
        var code = 0
        for index in 9..<12 {
            guard line[index].isDigit else { throw .badResponse("The status is no number.") }
            code = code * 10 + Int(line[index] - 0x30)
        }
        // RFC 9110 §15: 100 to 599 are the valid ones.
        guard 100...599 ~= code else { throw .badResponse("The status is out of range.") }
        let reason = line.extracting(13..<line.count).string
        return HTTPResponse.Status(code: code, reasonPhrase: reason)
    }

    private mutating func beginBody(_ status: HTTPResponse.Status) throws(HTTPFault) {
        let declared = try framing.bodyFraming(isHTTP10: isHTTP10)
        keepAlive = framing.keepAlive(isHTTP10: isHTTP10)
        // RFC 9112 §6.3 (1.): these end at the head, whatever their fields say.
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
