import HTTPProtocol

/// The classification of a text message: `{"token":"…"}` contains a token.
///
/// Every text message is classified. So this reads from front to back, ends at the first byte that
/// doesn't fit, and allocates nothing before it has found a token.
enum TokenMessage: Hashable {
    /// Another message, for the handler.
    case other
    case token(ExactString)
    /// A message with a token beyond the size limit. It must not be passed on, and isn't read
    /// further.
    case tooLong

    private static let plainName = Array(#""token""#.utf8)
    /// The size with each of the five characters as an escape of six.
    private static let nameSizeMax = 32

    init(_ payload: RawSpan) {
        let bytes = Span<UInt8>(_bytes: payload)
        guard let value = Self.value(in: bytes) else {
            self = .other
            return
        }
        guard value.count <= Token.sizeMax + 2 else {
            self = .tooLong
            return
        }
        guard case .string(let token)? = Self.read(bytes.extracting(value)) else {
            self = .other
            return
        }
        self = .token(token)
    }

    /// Returns the range of the string in an object with the only member `token`, with its quotes.
    /// If the member is repeated, the last one counts, as in ``JSONReader``.
    private static func value(in bytes: Span<UInt8>) -> Range<Int>? {
        var index = 0
        var value: Range<Int>?
        guard take("{", in: bytes, &index) else { return nil }
        repeat {
            guard let name = takeString(in: bytes, &index, sizeMax: nameSizeMax),
                isToken(bytes.extracting(name)), take(":", in: bytes, &index),
                let string = takeString(in: bytes, &index, sizeMax: bytes.count)
            else { return nil }
            value = string
        } while take(",", in: bytes, &index)
        guard take("}", in: bytes, &index) else { return nil }
        skipBlanks(in: bytes, &index)
        return index == bytes.count ? value : nil
    }

    private static func isToken(_ name: Span<UInt8>) -> Bool {
        var isPlain = name.count == plainName.count
        var hasEscapes = false
        for index in name.indices {
            isPlain = isPlain && name[index] == plainName[index]
            hasEscapes = hasEscapes || name[index] == UInt8(ascii: "\\")
        }
        return isPlain || hasEscapes && read(name) == .string("token")
    }

    private static func read(_ literal: Span<UInt8>) -> JSONValue? {
        try? JSONReader.read(literal.indices.map { literal[$0] })
    }

    // MARK: - Bytes

    private static func skipBlanks(in bytes: Span<UInt8>, _ index: inout Int) {
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x09, 0x0A, 0x0D: index += 1
            default: return
            }
        }
    }

    private static func take(
        _ character: Unicode.Scalar, in bytes: Span<UInt8>, _ index: inout Int
    ) -> Bool {
        skipBlanks(in: bytes, &index)
        guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    /// Skips a string of up to `sizeMax` bytes with its quotes. Its escapes aren't decoded.
    private static func takeString(
        in bytes: Span<UInt8>, _ index: inout Int, sizeMax: Int
    ) -> Range<Int>? {
        guard take("\"", in: bytes, &index) else { return nil }
        let start = index - 1
        let end = min(bytes.count, start + sizeMax)
        while index < end {
            switch bytes[index] {
            case UInt8(ascii: "\""):
                index += 1
                return start..<index
            case UInt8(ascii: "\\"): index += 2
            case ..<0x20: return nil
            default: index += 1
            }
        }
        return nil
    }
}
