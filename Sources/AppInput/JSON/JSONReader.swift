import HTTPProtocol

/// A strict parser of JSON texts (RFC 8259), which reports the position of an error.
///
/// Foundation's parser reports it only in prose, and not for half of a surrogate pair.
package struct JSONReader {
    /// The deepest nesting of arrays and objects, which are parsed by recursion.
    private static let depthMax = 100

    private let bytes: [UInt8]
    private let start: Int
    private var index: Int
    private var depth = 0

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // RFC 8259 §8.1: a byte order mark may be ignored.
        start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        index = start
    }

    /// Parses the only value of a UTF-8 text.
    package static func read(_ bytes: [UInt8]) throws(JSONFault) -> JSONValue {
        var reader = JSONReader(bytes)
        if ExactString(validating: bytes) == nil {
            let repaired = String(decoding: bytes, as: UTF8.self).utf8
            let broken = zip(bytes.indices, zip(bytes, repaired)).first { $1.0 != $1.1 }
            throw reader.fault("Invalid UTF-8", at: broken?.0)
        }
        let value = try reader.value()
        reader.skipBlanks()
        guard reader.index == bytes.count else { throw reader.fault("Extra data") }
        return value
    }

    private func fault(_ expected: String, at place: Int? = nil) -> JSONFault {
        let before = bytes[start..<max(start, place ?? index)]
        // Each character has exactly one byte that isn't a continuation byte.
        return JSONFault(position: before.count { $0 & 0xC0 != 0x80 }, expected: expected)
    }

    // MARK: - Bytes

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    /// Consumes `character` if it is next. Returns whether it was.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func take(literal: StaticString) -> Bool {
        let literal = literal.description.utf8
        guard bytes[index...].starts(with: literal) else { return false }
        index += literal.count
        return true
    }

    private mutating func skipBlanks() {
        while let next, [0x20, 0x09, 0x0A, 0x0D].contains(next) { index += 1 }
    }

    private mutating func takeDigits() -> Int {
        let first = index
        while let next, (0x30...0x39).contains(next) { index += 1 }
        return index - first
    }

    // MARK: - Values

    private mutating func value() throws(JSONFault) -> JSONValue {
        skipBlanks()
        switch next {
        case UInt8(ascii: "{"):
            return try nested { (reader) throws(JSONFault) in
                try reader.object()
            }
        case UInt8(ascii: "["):
            return try nested { (reader) throws(JSONFault) in
                try reader.array()
            }
        case UInt8(ascii: "\""): return try string().map(JSONValue.string) ?? .brokenString
        default:
            if take(literal: "null") { return .null }
            if take(literal: "true") { return .bool(true) }
            if take(literal: "false") { return .bool(false) }
            return try number()
        }
    }

    private mutating func nested(
        _ read: (inout JSONReader) throws(JSONFault) -> JSONValue
    ) throws(JSONFault) -> JSONValue {
        guard depth < Self.depthMax else { throw fault("Nested too deeply") }
        depth += 1
        index += 1
        let value = try read(&self)
        depth -= 1
        return value
    }

    private mutating func object() throws(JSONFault) -> JSONValue {
        var members: [ExactString: JSONValue] = [:]
        skipBlanks()
        if take("}") { return .object(members) }
        while true {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else {
                throw fault("Expecting property name enclosed in double quotes")
            }
            // Nothing looks up a name that isn't valid Unicode.
            let name = try string() ?? "\u{FFFD}"
            skipBlanks()
            guard take(":") else { throw fault("Expecting ':' delimiter") }
            members[name] = try value()
            skipBlanks()
            if take("}") { return .object(members) }
            guard take(",") else { throw fault("Expecting ',' delimiter") }
        }
    }

    private mutating func array() throws(JSONFault) -> JSONValue {
        var elements: [JSONValue] = []
        skipBlanks()
        if take("]") { return .array(elements) }
        while true {
            elements.append(try value())
            skipBlanks()
            if take("]") { return .array(elements) }
            guard take(",") else { throw fault("Expecting ',' delimiter") }
        }
    }

    /// Parses a number (RFC 8259 §6). The caller refuses any text after the longest valid number.
    private mutating func number() throws(JSONFault) -> JSONValue {
        let first = index
        _ = take("-")
        if !take("0"), takeDigits() == 0 { throw fault("Expecting value", at: first) }
        var end = index
        if take("."), takeDigits() > 0 { end = index } else { index = end }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            if takeDigits() > 0 { end = index }
        }
        index = end
        return .number(ExactString(String(decoding: bytes[first..<end], as: UTF8.self)))
    }

    // MARK: - Strings

    /// Parses a string. Returns `nil` if it contains half of a surrogate pair.
    private mutating func string() throws(JSONFault) -> ExactString? {
        let quote = index
        index += 1
        var text: [UInt8] = []
        var isBroken = false
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return isBroken ? nil : ExactString(String(decoding: text, as: UTF8.self))
            case UInt8(ascii: "\\"):
                guard let scalar = try escaped(openedAt: quote) else {
                    isBroken = true
                    continue
                }
                text.append(contentsOf: UTF8.encode(scalar)!)
            case ..<0x20: throw fault("Invalid control character at")
            default:
                text.append(byte)
                index += 1
            }
        }
        throw fault("Unterminated string starting at", at: quote)
    }

    /// Decodes an escape. Returns `nil` for half of a surrogate pair.
    private mutating func escaped(openedAt quote: Int) throws(JSONFault) -> Unicode.Scalar? {
        let backslash = index
        index += 1
        guard let kind = next else { throw fault("Unterminated string starting at", at: quote) }
        index += 1
        switch Unicode.Scalar(kind) {
        case "\"", "\\", "/": return Unicode.Scalar(kind)
        case "b": return "\u{08}"
        case "f": return "\u{0C}"
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "u": return try surrogates()
        default: throw fault("Invalid \\escape", at: backslash)
        }
    }

    /// Decodes the scalar of `\uXXXX`, or of two of them.
    private mutating func surrogates() throws(JSONFault) -> Unicode.Scalar? {
        let unit = try codeUnit()
        guard UTF16.isLeadSurrogate(unit) else { return Unicode.Scalar(unit) }
        let behind = index
        guard take(literal: "\\u") else { return nil }
        let second = try codeUnit()
        guard UTF16.isTrailSurrogate(second) else {
            // The next escape may be a scalar of its own, or begin another pair.
            index = behind
            return nil
        }
        return UTF16.decode(UTF16.EncodedScalar([unit, second]))
    }

    private mutating func codeUnit() throws(JSONFault) -> UInt16 {
        let digits = bytes[index...].prefix(4).compactMap(\.hexValue)
        guard digits.count == 4 else { throw fault("Invalid \\uXXXX escape", at: index - 1) }
        index += 4
        return digits.reduce(0) { $0 << 4 | UInt16($1) }
    }
}
