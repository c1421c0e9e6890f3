/// A reader of one message's content, however it is delimited, RFC 9112 §6.3.
struct BodyReader: Sendable {
    enum Step {
        case needMore
        /// Offsets in the input just given; all up to its end is consumed.
        case body(Range<Int>)
        /// Complete, with this many bytes of the input consumed.
        case end(Int)
    }

    private enum Kind {
        case length, chunked, untilClose
    }

    private let kind: Kind
    /// Bytes to come, or for `untilClose` bytes that may still come.
    private var left = 0
    private var chunks: ChunkedDecoder

    init(_ framing: BodyFraming, limits: HTTPLimits) {
        chunks = ChunkedDecoder(limits: limits)
        switch framing {
        case .none: kind = .length
        case .length(let length): (kind, left) = (.length, length)
        case .chunked: kind = .chunked
        }
    }

    /// Content that only the connection's end delimits; a response's privilege, §6.3 (8.).
    init(untilClose limits: HTTPLimits) {
        chunks = ChunkedDecoder(limits: limits)
        (kind, left) = (.untilClose, limits.bodySizeMax)
    }

    /// Whether the connection's end is the content's regular end.
    var endsAtClose: Bool { kind == .untilClose }

    mutating func next(_ input: Span<UInt8>) throws(HTTPFault) -> Step {
        switch kind {
        case .chunked: return try chunks.next(input)
        case .length:
            guard left > 0 else { return .end(0) }
        case .untilClose:
            guard input.isEmpty || left > 0 else { throw .contentTooLarge }
        }
        guard !input.isEmpty else { return .needMore }
        let size = min(left, input.count)
        left -= size
        return .body(0..<size)
    }
}

/// A decoder of the chunked transfer coding, RFC 9112 §7.1; its state is bounded by the limits.
struct ChunkedDecoder: Sendable {
    private enum Phase {
        case size
        case data
        /// CR and LF after a chunk's data.
        case dataCR, dataLF
        case trailers
    }

    /// Digits of a chunk's size; more would not fit 64 bits, and zeros in front are no use.
    private static let sizeDigitsMax = 16

    private var phase = Phase.size
    private var lines = LineReader()
    /// Bytes of the current chunk to come.
    private var chunkLeft = 0
    private var bodyLeft: Int
    private var extensionsLeft: Int
    private var trailersLeft: Int
    private var trailerCountLeft: Int

    init(limits: HTTPLimits) {
        bodyLeft = limits.bodySizeMax
        extensionsLeft = limits.headSizeMax
        trailersLeft = limits.headSizeMax
        trailerCountLeft = limits.headerCountMax
    }

    mutating func next(_ input: Span<UInt8>) throws(HTTPFault) -> BodyReader.Step {
        var position = 0
        while true {
            switch phase {
            case .size:
                guard try readSize(input, &position) else { return .needMore }
            case .data:
                guard position < input.count else { return .needMore }
                let end = position + min(chunkLeft, input.count - position)
                chunkLeft -= end - position
                if chunkLeft == 0 { phase = .dataCR }
                return .body(position..<end)
            case .dataCR, .dataLF:
                guard position < input.count else { return .needMore }
                // §7.1: chunk-data is followed by CRLF, nothing else.
                guard input[position] == (phase == .dataCR ? 0x0D : 0x0A) else {
                    throw .badRequest("A chunk is longer than its size.")
                }
                position += 1
                phase = phase == .dataCR ? .dataLF : .size
            case .trailers:
                switch try readTrailer(input, &position) {
                case nil: return .needMore
                case true?: return .end(position)
                case false?: break
                }
            }
        }
    }

    /// Reads a chunk's first line; `false` when its end has not come.
    private mutating func readSize(
        _ input: Span<UInt8>, _ position: inout Int
    ) throws(HTTPFault) -> Bool {
        let budget = Self.sizeDigitsMax + extensionsLeft + 2
        switch try lines.read(input, from: position, budget: budget) {
        case .needMore: return false
        // §7.1.1: the total length of extensions ought to be limited, with a 4xx past it.
        case .overLimit: throw .badRequest("The chunk extensions are too long.")
        case .whole(let range):
            position = range.upperBound + 2
            try beginChunk(input.extracting(range))
        case .joined(let line, let end):
            position = end
            try beginChunk(line.span)
        }
        return true
    }

    private mutating func beginChunk(_ line: Span<UInt8>) throws(HTTPFault) {
        var digits = 0
        var size: UInt64 = 0
        while digits < line.count, let digit = line[digits].hexValue {
            // §7.1: recipients MUST anticipate large numerals and prevent overflow.
            guard digits < Self.sizeDigitsMax else { throw .badRequest("A chunk size overflows.") }
            size = size << 4 | UInt64(digit)
            digits += 1
        }
        guard digits > 0 else { throw .badRequest("A chunk size is malformed.") }
        guard size <= UInt64(Int.max) else { throw .badRequest("A chunk size overflows.") }
        guard ChunkExtensions.areValid(line.extracting(digits..<line.count)) else {
            throw .badRequest("A chunk extension is malformed.")
        }
        extensionsLeft -= line.count - digits
        guard extensionsLeft >= 0 else { throw .badRequest("The chunk extensions are too long.") }
        guard size <= UInt64(bodyLeft) else { throw .contentTooLarge }
        chunkLeft = Int(size)
        bodyLeft -= chunkLeft
        phase = size == 0 ? .trailers : .data
    }

    /// Reads a trailer line and forgets it, §7.1.2; `true` at the end, `nil` when it is unfinished.
    private mutating func readTrailer(
        _ input: Span<UInt8>, _ position: inout Int
    ) throws(HTTPFault) -> Bool? {
        switch try lines.read(input, from: position, budget: trailersLeft) {
        case .needMore: return nil
        case .overLimit: throw .headerFieldsTooLarge
        case .whole(let range):
            position = range.upperBound + 2
            return try skipTrailer(input.extracting(range))
        case .joined(let line, let end):
            position = end
            return try skipTrailer(line.span)
        }
    }

    private mutating func skipTrailer(_ line: Span<UInt8>) throws(HTTPFault) -> Bool {
        guard !line.isEmpty else { return true }
        guard trailerCountLeft > 0 else { throw .headerFieldsTooLarge }
        trailerCountLeft -= 1
        trailersLeft -= line.count + 2
        _ = try FieldLine.colon(in: line)
        return false
    }
}
