internal import HTTPTypes

/// The byte classes of RFC 9110 §5.6 and RFC 3986 §2.
extension UInt8 {
    /// Whether the byte is a `tchar`, RFC 9110 §5.6.2.
    package var isTokenByte: Bool {
        switch self {
        case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x30...0x39, 0x41...0x5A, 0x5E...0x7A,
            0x7C, 0x7E:
            true
        default: false
        }
    }

    package var isDigit: Bool { 0x30...0x39 ~= self }

    /// Whether the byte is SP or HTAB: `OWS`, RFC 9110 §5.6.3.
    var isBlank: Bool { self == 0x20 || self == 0x09 }

    /// The value of a `HEXDIG` in either case, or `nil`.
    package var hexValue: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x37
        case 0x61...0x66: self - 0x57
        default: nil
        }
    }

    /// The lowercase of an ASCII letter; any other byte unchanged.
    package var lowercased: UInt8 { 0x41...0x5A ~= self ? self | 0x20 : self }

    /// Whether the byte is `unreserved` or in `sub-delims`, RFC 3986 §2.2 and §2.3.
    var isUnreservedOrSubDelimiter: Bool {
        switch self {
        case 0x21, 0x24, 0x26...0x2E, 0x30...0x39, 0x3B, 0x3D, 0x41...0x5A, 0x5F, 0x61...0x7A, 0x7E:
            true
        default: false
        }
    }
}

extension Span<UInt8> {
    /// Returns whether these bytes equal `lowercase`, whatever their case.
    func equals(ignoringCase lowercase: String) -> Bool {
        guard count == lowercase.utf8.count else { return false }
        var index = 0
        for byte in lowercase.utf8 {
            guard self[index].lowercased == byte else { return false }
            index += 1
        }
        return true
    }

    /// Whether the bytes are a token: at least one byte, all of them `tchar`s, RFC 9110 §5.6.2.
    var isToken: Bool {
        for index in indices {
            guard self[index].isTokenByte else { return false }
        }
        return !isEmpty
    }

    func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        var index = start
        while index < count {
            if self[index] == byte { return index }
            index += 1
        }
        return nil
    }

    /// Returns the bytes without the optional whitespace around them, RFC 9112 §5.1.
    @_lifetime(copy self)
    func trimmingBlanks() -> Span<UInt8> {
        var lower = 0
        var upper = count
        while lower < upper, self[lower].isBlank { lower += 1 }
        while lower < upper, self[upper - 1].isBlank { upper -= 1 }
        return extracting(lower..<upper)
    }

    /// The bytes as text. Invalid UTF-8 becomes U+FFFD, so validate the bytes first.
    var string: String {
        // Safety: the pointer is only read within the call.
        unsafe withUnsafeBufferPointer { bytes in unsafe String(decoding: bytes, as: UTF8.self) }
    }

    /// Returns the bytes as the value of a field: text if they are UTF-8, otherwise the bytes
    /// (obs-text, RFC 9110 §5.5).
    func field(named name: HTTPField.Name) -> HTTPField {
        // Safety: the pointer is only read within the call.
        unsafe withUnsafeBufferPointer { bytes in unsafe HTTPField(name: name, value: bytes) }
    }
}
