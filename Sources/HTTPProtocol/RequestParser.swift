/// An incremental and strict parser of HTTP/1.1 and HTTP/1.0 requests with limits, RFC 9112.
///
/// Its events depend only on the bytes, never on how they were split into inputs. It keeps at most
/// one incomplete line and the fields parsed so far, all within `headSizeMax`. Each request
/// produces `.head`, any number of `.body`, and `.end`, or `.failed` at any point. Pipelined
/// requests follow one another. To switch protocols, stop calling after `.head`: the bytes that
/// weren't consumed belong to the next protocol.
package struct RequestParser: ~Copyable {
    private enum Phase {
        case head, body
        case failed(HTTPFault)
    }

    /// The limits, which may be replaced while the parser is idle.
    package var limits: HTTPLimits
    private var phase = Phase.head
    private var lines = LineReader()
    private var builder = RequestHeadBuilder()
    private var body: BodyReader
    /// The size of the complete lines of the head, in bytes.
    private var headSize = 0
    private var hasSkippedLine = false

    package init(limits: HTTPLimits) {
        self.limits = limits
        body = BodyReader(.none, limits: limits)
    }

    /// Whether the parser is between requests, with no byte of the next request received.
    ///
    /// An empty line before a request doesn't count.
    package var isIdle: Bool {
        if case .head = phase { return lines.isEmpty && !builder.hasStartLine }
        return false
    }

    /// The memory that an incomplete head occupies, in bytes; an estimate.
    package var heldSize: Int { lines.heldSize + headSize }

    /// Whether the current request, complete or refused, is a HEAD request, whose response has no
    /// content.
    package var isHead: Bool { builder.isHead }

    /// The `Origin` of the current request, if it has arrived. It decides whether a page may read
    /// why the request was refused.
    package var origin: String? { builder.origin }

    /// Consumes bytes from the start of `input`. Returns the event and the number of bytes
    /// consumed.
    ///
    /// Call it again with the rest, even an empty one, until it returns `.needMore`, which consumes
    /// everything. The range of a `.body` refers to this `input`. `.failed` is final.
    package mutating func parse(
        _ input: UnsafeRawBufferPointer
    ) -> (event: RequestEvent, consumed: Int) {
        // Safety: the caller guarantees `input` during this call, and nothing outlives it.
        let bytes = unsafe Span<UInt8>(_bytes: input.bytes)
        do throws(HTTPFault) {
            switch phase {
            case .head: return try parseHead(bytes)
            case .body: return try parseBody(bytes)
            case .failed(let fault): return (.failed(fault), 0)
            }
        } catch {
            phase = .failed(error)
            return (.failed(error), 0)
        }
    }

    private mutating func parseHead(
        _ input: Span<UInt8>
    ) throws(HTTPFault) -> (event: RequestEvent, consumed: Int) {
        var position = 0
        while true {
            let isComplete: Bool
            switch try lines.read(input, from: position, budget: limits.headSizeMax - headSize) {
            case .needMore:
                return (.needMore, input.count)
            case .overLimit:
                // RFC 9110 §15.5.15 and RFC 6585 §5.
                throw builder.hasStartLine ? .headerFieldsTooLarge : .uriTooLong
            case .whole(let range):
                position = range.upperBound + 2
                isComplete = try addLine(input.extracting(range))
            case .joined(let line, let end):
                position = end
                isComplete = try addLine(line.span)
            }
            if isComplete { return (.head(try beginBody()), position) }
        }
    }

    /// Adds a line to the head. Returns true if it was the last.
    private mutating func addLine(_ line: Span<UInt8>) throws(HTTPFault) -> Bool {
        if builder.hasStartLine {
            headSize += line.count + 2
            guard !line.isEmpty else { return true }
            try builder.addField(line, countMax: limits.headerCountMax)
        } else if line.isEmpty {
            // RFC 9112 §2.2: at least one empty line before the request line is ignored; here, only
            // one.
            guard !hasSkippedLine else {
                throw .badRequest("More than one empty line precedes the request line.")
            }
            hasSkippedLine = true
        } else {
            headSize = line.count + 2
            try builder.addStartLine(line)
        }
        return false
    }

    private mutating func beginBody() throws(HTTPFault) -> RequestHead {
        let head = try builder.finish(bodySizeMax: limits.bodySizeMax)
        body = BodyReader(head.bodyFraming, limits: limits)
        phase = .body
        builder = RequestHeadBuilder()
        headSize = 0
        hasSkippedLine = false
        return head
    }

    private mutating func parseBody(
        _ input: Span<UInt8>
    ) throws(HTTPFault) -> (event: RequestEvent, consumed: Int) {
        switch try body.next(input) {
        case .needMore: return (.needMore, input.count)
        case .body(let range): return (.body(range), range.upperBound)
        case .end(let consumed):
            phase = .head
            return (.end, consumed)
        }
    }
}
