package import HTTPTypes

/// The grammar of lists in the handshake's header fields: tokens, quoted strings and extensions
/// (RFC 9110 §5.6, RFC 6455 §9.1).
///
/// A field on several lines means the same as one line with commas (RFC 9110 §5.3). Each line is
/// parsed separately, so that no quoted string extends into the next line. Empty elements are
/// skipped (RFC 9110 §5.6.1.2). The parser of the request limits the lengths.
package enum HeaderGrammar {
    /// Returns whether a list field has this element, in any mix of upper and lower case, such as
    /// `Connection: keep-alive, Upgrade`.
    ///
    /// Other elements may be malformed. Only for fields without quoted strings.
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

    /// Returns the tokens of a list field, unchanged and in order; none if the field is missing or
    /// empty.
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

    /// Returns the extensions of a `Sec-WebSocket-Extensions` field, in order of preference; none
    /// if the field is missing or empty.
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

    /// Returns whether the text is a token: at least one byte, and no separators (RFC 9110 §5.6.2).
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

/// The error in a header field's value.
package enum HeaderGrammarFault: Error, Sendable, Hashable {
    /// A token is missing.
    case tokenExpected
    /// There is something after the end of an element.
    case commaExpected
    /// A quoted string has no end, or an invalid byte.
    case quotedStringMalformed
    /// A quoted parameter isn't a token without its quotes (RFC 6455 §9.1).
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

/// A parser of one field line.
struct HeaderScanner {
    private var rest: Substring.UTF8View
    private var isFirst = true

    init(_ value: String) { rest = value.utf8[...] }

    /// Advances to the next element of the list. Returns false at the end of the line.
    mutating func nextElement() throws(HeaderGrammarFault) -> Bool {
        skipWhitespace()
        if !isFirst, !rest.isEmpty, !skip(UInt8(ascii: ",")) { throw .commaExpected }
        isFirst = false
        repeat { skipWhitespace() } while skip(UInt8(ascii: ","))
        return !rest.isEmpty
    }

    /// Parses the token at the current position, if there is one.
    mutating func token() -> String? {
        let end = rest.firstIndex { !HeaderGrammar.isTokenByte($0) } ?? rest.endIndex
        guard end > rest.startIndex else { return nil }
        defer { rest = rest[end...] }
        return String(Substring(rest[..<end]))
    }

    /// Parses the parameters after an extension's name: `; name`, `; name=token` or
    /// `; name="token"`, with optional whitespace anywhere (RFC 6455 §9.1: "implied *LWS").
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

    /// Parses the quoted string at the current position. Returns it without its quotes and
    /// backslashes (RFC 9110 §5.6.4).
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

    /// Returns the text without whitespace at its ends.
    static func trim(_ bytes: Substring.UTF8View) -> Substring.UTF8View {
        var bytes = bytes.drop(while: isWhitespace)
        while let last = bytes.last, isWhitespace(last) { bytes.removeLast() }
        return bytes
    }
}

extension Substring.UTF8View {
    /// Returns whether it equals this ASCII text, in any mix of upper and lower case.
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        // Safety: the bytes of a static string live as long as the process.
        let wanted = unsafe UnsafeBufferPointer(
            start: text.utf8Start, count: text.utf8CodeUnitCount)
        return unsafe elementsEqual(wanted) { lowercased($0) == lowercased($1) }
    }

    private func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}
