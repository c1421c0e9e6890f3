/// A reader of lines that end in CRLF, which keeps an unfinished line between inputs.
///
/// A line that lies whole in one input is never copied. Control bytes are refused as they come,
/// so that garbage is answered at once instead of at a deadline, and every fault depends on the
/// bytes alone, never on how they were cut.
struct LineReader: Sendable {
    enum Outcome {
        /// All input is consumed.
        case needMore
        /// The line is longer than its budget.
        case overLimit
        /// A line, without its CRLF, at these offsets of the input.
        case whole(Range<Int>)
        /// A line, without its CRLF, joined from several inputs, and where its end lies in this.
        case joined([UInt8], end: Int)
    }

    /// The unfinished line's bytes so far.
    private var partial: [UInt8] = []

    /// Whether no byte of a line has been seen.
    var isEmpty: Bool { partial.isEmpty }

    /// The bytes of memory that an unfinished line takes.
    var heldSize: Int { partial.capacity }

    /// Reads on from `start`; the line, its CRLF and what was kept before may have `budget` bytes.
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
                guard byte == 0x0A else { throw .badRequest("A CR stands without its LF.") }
                return finish(input, from: start, lineFeedAt: index)
            }
            if byte < 0x20 || byte == 0x7F {
                switch byte {
                case 0x0D: afterCR = true
                case 0x09: break
                // RFC 9112 §2.2 lets us take a bare LF; intermediaries differ, so we don't.
                case 0x0A: throw .badRequest("An LF stands without its CR.")
                // RFC 9110 §5.5: NUL is dangerous, other controls are invalid.
                default: throw .badRequest("A control character stands in the head.")
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
