package import HTTPTypes

/// The list grammar of the handshake's header fields: tokens, quoted strings and extensions
/// (RFC 9110 §5.6, RFC 6455 §9.1).
///
/// A field that came on several lines is the same as one line with commas (RFC 9110 §5.3); each
/// line is read by itself, so that no quoted string reaches into the next. Empty elements are
/// skipped (RFC 9110 §5.6.1.2). Lengths are bounded by whoever read the request.
package enum HeaderGrammar {
    /// Whether a list field has this element, in any case: `Connection: keep-alive, Upgrade`.
    ///
    /// It forgives malformed elements beside it. For fields without quoted strings.
    package static func list(
        _ name: HTTPField.Name, in fields: HTTPFields, contains token: StaticString
    ) -> Bool {
        for field in fields where field.name == name {
            for element in field.value.utf8.split(separator: UInt8(ascii: ",")) {
                if HeaderScanner.trim(element).equalsIgnoringCase(token) { return true }
            }
        }
        return false
    }

    /// The tokens of a list field in their order and case; none if there is no such field or
    /// it is empty.
    package static func tokens(
        _ name: HTTPField.Name, in fields: HTTPFields
    ) throws(HeaderGrammarFault) -> [String] {
        var tokens: [String] = []
        for field in fields where field.name == name {
            var scanner = HeaderScanner(field.value)
            while try scanner.nextElement() {
                guard let token = scanner.token() else { throw .tokenExpected }
                tokens.append(token)
            }
        }
        return tokens
    }

    /// The extensions of a `Sec-WebSocket-Extensions` field, in order of preference; none if
    /// there is no such field or it is empty.
    package static func extensions(
        in fields: HTTPFields
    ) throws(HeaderGrammarFault) -> [ExtensionOffer] {
        var offers: [ExtensionOffer] = []
        for field in fields where field.name == .secWebSocketExtensions {
            var scanner = HeaderScanner(field.value)
            while try scanner.nextElement() {
                guard let name = scanner.token() else { throw .tokenExpected }
                offers.append(ExtensionOffer(name: name, parameters: try scanner.parameters()))
            }
        }
        return offers
    }

    /// Whether it is a token: one byte or more, without separators (RFC 9110 §5.6.2).
    package static func isToken(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(isTokenByte)
    }

    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"),
            UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
            UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}

/// What is wrong with a header field's value.
package enum HeaderGrammarFault: Error, Sendable, Hashable {
    /// Something else stands where a token must.
    case tokenExpected
    /// An element goes on after its end.
    case commaExpected
    /// A quoted string has no end, or a byte that it can't hold.
    case quotedStringMalformed
    /// A quoted parameter is not a token after unquoting (RFC 6455 §9.1).
    case quotedValueNotToken
}

extension HeaderGrammarFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tokenExpected: "a token is missing"
        case .commaExpected: "a comma is missing"
        case .quotedStringMalformed: "a quoted string is malformed"
        case .quotedValueNotToken: "a quoted value is not a token"
        }
    }
}

/// Reads one field line from front to back.
struct HeaderScanner {
    private var rest: Substring.UTF8View
    private var isFirst = true

    init(_ value: String) { rest = value.utf8[...] }

    /// Goes to the list's next element; false at the end of the line.
    mutating func nextElement() throws(HeaderGrammarFault) -> Bool {
        skipWhitespace()
        if !isFirst, !rest.isEmpty, !skip(UInt8(ascii: ",")) { throw .commaExpected }
        isFirst = false
        repeat { skipWhitespace() } while skip(UInt8(ascii: ","))
        return !rest.isEmpty
    }

    /// The token that starts here, if one does.
    mutating func token() -> String? {
        let end = rest.firstIndex { !HeaderGrammar.isTokenByte($0) } ?? rest.endIndex
        guard end > rest.startIndex else { return nil }
        defer { rest = rest[end...] }
        return String(Substring(rest[..<end]))
    }

    /// The parameters that follow an extension's name: `; name`, `; name=token` or
    /// `; name="token"`, with whitespace anywhere between (RFC 6455 §9.1: «implied *LWS»).
    mutating func parameters() throws(HeaderGrammarFault) -> [ExtensionOffer.Parameter] {
        var parameters: [ExtensionOffer.Parameter] = []
        while true {
            skipWhitespace()
            guard skip(UInt8(ascii: ";")) else { return parameters }
            skipWhitespace()
            guard let name = token() else { throw .tokenExpected }
            skipWhitespace()
            var value: String?
            if skip(UInt8(ascii: "=")) {
                skipWhitespace()
                if rest.first == UInt8(ascii: "\"") {
                    let unquoted = try quotedString()
                    guard HeaderGrammar.isToken(unquoted) else { throw .quotedValueNotToken }
                    value = unquoted
                } else {
                    value = token()
                    if value == nil { throw .tokenExpected }
                }
            }
            parameters.append(.init(name: name, value: value))
        }
    }

    /// The quoted string that starts here, without its quotes and backslashes
    /// (RFC 9110 §5.6.4).
    mutating func quotedString() throws(HeaderGrammarFault) -> String {
        guard skip(UInt8(ascii: "\"")) else { throw .quotedStringMalformed }
        var text: [UInt8] = []
        while var byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
            if byte == UInt8(ascii: "\\") {
                guard let escaped = rest.popFirst() else { break }
                byte = escaped
            }
            guard byte >= 0x20 && byte != 0x7F || byte == UInt8(ascii: "\t") else { break }
            text.append(byte)
        }
        throw .quotedStringMalformed
    }

    private mutating func skipWhitespace() {
        rest = rest.drop(while: HeaderScanner.isWhitespace)
    }

    private mutating func skip(_ byte: UInt8) -> Bool {
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }

    /// Without whitespace at both ends.
    static func trim(_ bytes: Substring.UTF8View) -> Substring.UTF8View {
        var bytes = bytes.drop(while: isWhitespace)
        while let last = bytes.last, isWhitespace(last) { bytes.removeLast() }
        return bytes
    }
}

extension Substring.UTF8View {
    /// Whether it is this ASCII text, in any case.
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        // Safety: a static string's bytes live as long as the process.
        let wanted = unsafe UnsafeBufferPointer(
            start: text.utf8Start, count: text.utf8CodeUnitCount)
        return unsafe elementsEqual(wanted) { lowercased($0) == lowercased($1) }
    }

    private func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}
