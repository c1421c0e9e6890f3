/// The syntax of chunk extensions, RFC 9112 §7.1.1; their meaning is ignored.
enum ChunkExtensions {
    /// Returns whether the bytes are `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ]
    /// )`.
    static func areValid(_ bytes: Span<UInt8>) -> Bool {
        var index = 0
        while index < bytes.count {
            skipBlanks(bytes, &index)
            guard index < bytes.count, bytes[index] == 0x3B else { return false }
            index += 1
            skipBlanks(bytes, &index)
            guard skipToken(bytes, &index) else { return false }
            var next = index
            skipBlanks(bytes, &next)
            guard next < bytes.count, bytes[next] == 0x3D else { continue }
            index = next + 1
            skipBlanks(bytes, &index)
            guard skipToken(bytes, &index) || skipQuoted(bytes, &index) else { return false }
        }
        return true
    }

    private static func skipBlanks(_ bytes: Span<UInt8>, _ index: inout Int) {
        while index < bytes.count, bytes[index].isBlank { index += 1 }
    }

    private static func skipToken(_ bytes: Span<UInt8>, _ index: inout Int) -> Bool {
        let start = index
        while index < bytes.count, bytes[index].isTokenByte { index += 1 }
        return index > start
    }

    /// Skips a `quoted-string`, RFC 9110 §5.6.4. The line holds no control bytes.
    private static func skipQuoted(_ bytes: Span<UInt8>, _ index: inout Int) -> Bool {
        guard index < bytes.count, bytes[index] == 0x22 else { return false }
        index += 1
        while index < bytes.count {
            switch bytes[index] {
            case 0x22:
                index += 1
                return true
            case 0x5C: index += 2
            default: index += 1
            }
        }
        return false
    }
}
