package import HTTPProtocol

/// What a text message has to do with tokens: `{"token":"…"}` brings one.
///
/// Every text message is looked at, so this reads front to back, ends at the first byte that fits no
/// such message, and allocates nothing before it has found one.
package enum TokenMessage: Hashable {
    /// Something else, for the handler.
    case other
    case token(ExactString)
    /// One with a token longer than any can be. No one else must see it, and no one looks at it.
    case tooLong

    private static let plainName = Array(#""token""#.utf8)
    /// That with each of its five characters as an escape of six.
    private static let nameSizeMax = 32

    package init(_ payload: RawSpan) {
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

    /// Where the string in an object with the one member `token` stands, quotes and all. Of several
    /// of that name the last counts, as in ``JSONReader``.
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

    /// A string of up to `sizeMax` bytes with its quotes; what its escapes mean is not looked at.
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
