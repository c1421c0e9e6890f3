/// A reader of the content of one message, with any of the delimiters of RFC 9112 §6.3.
struct BodyReader: Sendable {
    enum Step {
        case needMore
        /// A piece of content, as offsets in the input. All input up to its end is consumed.
        case body(Range<Int>)
        /// The content is complete. This many bytes of the input are consumed.
        case end(Int)
    }

    private enum Kind {
        case length, chunked, untilClose
    }

    private let kind: Kind
    /// The number of remaining bytes; for `untilClose`, the number that may still arrive.
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

    /// Creates a reader of content that ends with the connection: only responses may have it, §6.3
    /// (8.).
    init(untilClose limits: HTTPLimits) {
        chunks = ChunkedDecoder(limits: limits)
        (kind, left) = (.untilClose, limits.bodySizeMax)
    }

    /// Whether the content ends regularly with the connection.
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

/// A decoder of the chunked transfer coding, RFC 9112 §7.1. Its state is limited by the limits.
struct ChunkedDecoder: Sendable {
    private enum Phase {
        case size
        case data
        /// The CR and the LF after the data of a chunk.
        case dataCR, dataLF
        case trailers
    }

    /// The most digits of a chunk size. More wouldn't fit into 64 bits, and leading zeros have no
    /// use.
    private static let sizeDigitsMax = 16

    private var phase = Phase.size
    private var lines = LineReader()
    /// The number of remaining bytes in the current chunk.
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
                // §7.1: CRLF follows chunk-data.
                guard input[position] == (phase == .dataCR ? 0x0D : 0x0A) else {
                    throw .badRequest("The data of a chunk is longer than its size.")
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

    /// Reads the first line of a chunk. Returns false if the line is incomplete.
    private mutating func readSize(
        _ input: Span<UInt8>, _ position: inout Int
    ) throws(HTTPFault) -> Bool {
        let budget = Self.sizeDigitsMax + extensionsLeft + 2
        switch try lines.read(input, from: position, budget: budget) {
        case .needMore: return false
        // §7.1.1: the total length of extensions ought to be limited, with a 4xx beyond it.
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

    /// Reads a trailer line and discards it, §7.1.2. Returns true at the end of the trailers, and
    /// `nil` if the line is incomplete.
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
