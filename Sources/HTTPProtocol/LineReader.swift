/// A reader of lines that end in CRLF. It keeps an incomplete line between inputs.
///
/// A line within one input is never copied. Control bytes are refused immediately, so that invalid
/// data is answered at once instead of at a deadline. Every error depends only on the bytes, never
/// on how they were split into inputs.
struct LineReader: Sendable {
    enum Outcome {
        /// All input is consumed.
        case needMore
        /// The line is longer than its budget.
        case overLimit
        /// A line without its CRLF, as offsets in the input.
        case whole(Range<Int>)
        /// A line without its CRLF, joined from several inputs, and its end in this input.
        case joined([UInt8], end: Int)
    }

    /// The bytes of the incomplete line so far.
    private var partial: [UInt8] = []

    /// Whether no byte of a line has arrived.
    var isEmpty: Bool { partial.isEmpty }

    /// The memory that an incomplete line occupies, in bytes.
    var heldSize: Int { partial.capacity }

    /// Continues at `start`. The line with its CRLF and the bytes kept before may have `budget`
    /// bytes.
    mutating func read(
        _ input: Span<UInt8>, from start: Int, budget: Int
    ) throws(HTTPFault) -> Outcome {
        let room = max(0, budget - partial.count)
        let isCut = input.count - start > room
        let limit = isCut ? start + room : input.count
        var index = start
        var afterCR = partial.last == 0x0D
        while index < limit {
            let byte = input[index]
            if afterCR {
                // RFC 9112 §2.2: a bare CR is invalid, here and in any element.
                guard byte == 0x0A else { throw .badRequest("A CR is not followed by an LF.") }
                return finish(input, from: start, lineFeedAt: index)
            }
            if byte < 0x20 || byte == 0x7F {
                switch byte {
                case 0x0D: afterCR = true
                case 0x09: break
                // RFC 9112 §2.2 allows a bare LF. Intermediaries treat it differently, so it is
                // refused.
                case 0x0A: throw .badRequest("An LF does not follow a CR.")
                // RFC 9110 §5.5: NUL is dangerous, other control characters are invalid.
                default: throw .badRequest("The head contains a control character.")
                }
            }
            index += 1
        }
        if isCut { return .overLimit }
        for kept in start..<limit { partial.append(input[kept]) }
        return .needMore
    }

    private mutating func finish(
        _ input: Span<UInt8>, from start: Int, lineFeedAt index: Int
    ) -> Outcome {
        if partial.isEmpty { return .whole(start..<index - 1) }
        for kept in start..<index { partial.append(input[kept]) }
        partial.removeLast()  // the CR
        var line: [UInt8] = []
        swap(&line, &partial)
        return .joined(line, end: index + 1)
    }
}
