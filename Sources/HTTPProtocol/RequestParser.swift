/// An incremental, bounded and strict parser of HTTP/1.1 and HTTP/1.0 requests, RFC 9112.
///
/// Its events depend on the bytes alone, never on how they were cut into inputs. It keeps at most
/// one unfinished line and the fields parsed so far, all within `headSizeMax`. Each request gives
/// `.head`, any number of `.body`, and `.end`, or else `.failed`; pipelined requests follow each
/// other. To switch protocols, stop calling after `.head`: what was not consumed is the next
/// protocol's.
package struct RequestParser: ~Copyable {
    private enum Phase {
        case head, body
        case failed(HTTPFault)
    }

    private let limits: HTTPLimits
    private var phase = Phase.head
    private var lines = LineReader()
    private var builder = RequestHeadBuilder()
    private var body: BodyReader
    /// Bytes of the head's complete lines.
    private var headSize = 0
    private var hasSkippedLine = false

    package init(limits: HTTPLimits) {
        self.limits = limits
        body = BodyReader(.none, limits: limits)
    }

    /// Whether the parser stands between requests and has seen no byte of the next one.
    ///
    /// An empty line before a request is not yet a byte of it.
    package var isIdle: Bool {
        if case .head = phase { return lines.isEmpty && !builder.hasStartLine }
        return false
    }

    /// The bytes of memory that an unfinished head takes, about.
    package var heldSize: Int { lines.heldSize + headSize }

    /// Whether a request has begun, with its head under way or refused, that is a HEAD: an answer to
    /// it has no content.
    package var isHead: Bool { builder.isHead }

    /// The `Origin` of such a request, if it has come: pages may be told why it was refused.
    package var origin: String? { builder.origin }

    /// Consumes from the start of `input`; returns the event and how many bytes were consumed.
    ///
    /// Call again with the rest, even when that is empty, until `.needMore`, which consumes all.
    /// A `.body`'s range is in this `input`. `.failed` is final.
    package mutating func parse(
        _ input: UnsafeRawBufferPointer
    ) -> (event: RequestEvent, consumed: Int) {
        // Safety: the caller vouches for `input` during this call, and nothing outlives it.
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

    /// Takes one line of the head; `true` when it was the last.
    private mutating func addLine(_ line: Span<UInt8>) throws(HTTPFault) -> Bool {
        if builder.hasStartLine {
            headSize += line.count + 2
            guard !line.isEmpty else { return true }
            try builder.addField(line, countMax: limits.headerCountMax)
        } else if line.isEmpty {
            // RFC 9112 §2.2: at least one empty line before the request line is ignored.
            guard !hasSkippedLine else { throw .badRequest("Empty lines come first.") }
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
