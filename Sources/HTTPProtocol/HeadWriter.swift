internal import HTTPTypes

/// Functions that write heads. No value can end its line.
extension [UInt8] {
    mutating func append(ascii text: String) {
        append(contentsOf: text.utf8)
    }

    mutating func appendLineEnd() {
        append(0x0D)
        append(0x0A)
    }

    /// Appends a field line. `HTTPField` excludes CR, LF and NUL from values; this replaces them
    /// again.
    mutating func append(field: HTTPField) {
        append(ascii: field.name.rawName)
        append(ascii: ": ")
        // Safety: the pointer is only read within the call.
        unsafe field.withUnsafeBytesOfValue { bytes in
            let start = count
            unsafe append(contentsOf: bytes)
            for index in start..<count where Self.endsLine(self[index]) { self[index] = 0x20 }
        }
        appendLineEnd()
    }

    mutating func append(_ name: String, _ value: String) {
        append(ascii: name)
        append(ascii: ": ")
        for byte in value.utf8 { append(Self.endsLine(byte) ? 0x20 : byte) }
        appendLineEnd()
    }

    /// Returns whether a byte is one of the three that RFC 9110 §5.5 replaces by SP.
    private static func endsLine(_ byte: UInt8) -> Bool {
        byte == 0x0D || byte == 0x0A || byte == 0
    }

    /// Appends a status line, RFC 9112 §4. Characters of the reason outside Latin-1 become SP.
    mutating func append(statusLine status: HTTPResponse.Status) {
        append(ascii: "HTTP/1.1 ")
        for divisor in [100, 10, 1] { append(UInt8(status.code / divisor % 10) + 0x30) }
        append(0x20)
        for scalar in status.reasonPhrase.unicodeScalars {
            let value = scalar.value
            let isText = value == 0x09 || 0x20...0x7E ~= value || 0xA0...0xFF ~= value
            append(isText ? UInt8(value) : 0x20)
        }
        appendLineEnd()
    }

    /// Appends a JSON string, RFC 8259 §7.
    mutating func append(json text: String) {
        let digits = Array("0123456789abcdef".utf8)
        append(0x22)
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C:
                append(0x5C)
                append(byte)
            case 0..<0x20:
                append(ascii: "\\u00")
                append(digits[Int(byte >> 4)])
                append(digits[Int(byte & 15)])
            default: append(byte)
            }
        }
        append(0x22)
    }
}
