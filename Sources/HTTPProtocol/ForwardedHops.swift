package import HTTPTypes

/// The addresses that proxies have added to a request, the nearest proxy's first.
///
/// A client can send anything before the part that the proxies add. So the list is read from its
/// end, including quotes, and nothing before an invalid hop is used.
package enum ForwardedHops: Sendable, Hashable {
    /// The header field `X-Forwarded-For: client, proxy, proxy`.
    case xForwardedFor
    /// The header field `Forwarded: for=client, for="[2001:db8::1]:4711";proto=https` (RFC 7239).
    case forwarded

    private static let comma = UInt8(ascii: ",")
    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    private var name: HTTPField.Name {
        switch self {
        case .xForwardedFor: HTTPField.Name("X-Forwarded-For")!
        case .forwarded: HTTPField.Name("Forwarded")!
        }
    }

    /// Returns the nearest hop for which `isEnd` holds, otherwise the farthest valid one. Returns
    /// `nil` if the nearest hop is invalid.
    package func last(
        of fields: HTTPFields, where isEnd: (IPAddress) -> Bool
    ) -> IPAddress? {
        // Several lines are one list, in their order (RFC 9110 §5.3).
        let bytes = Array(fields[values: name].joined(separator: ",").utf8)
        var last: IPAddress?
        var end = bytes.count
        while end > 0 {
            let start = Self.startOfElement(endingAt: end, in: bytes)
            let element = Self.trimmed(bytes[start..<end])
            end = start - 1
            // RFC 9110 §5.6.1.2: empty elements don't count.
            if element.isEmpty { continue }
            guard let hop = read(element) else { return last }
            last = hop
            if isEnd(hop) { return hop }
        }
        return last
    }

    /// Returns the index after the last comma before `end` that isn't quoted.
    private static func startOfElement(endingAt end: Int, in bytes: [UInt8]) -> Int {
        var isQuoted = false
        var index = end
        while index > 0 {
            index -= 1
            if bytes[index] == comma, !isQuoted { return index + 1 }
            if bytes[index] == quote {
                let escapes = bytes[..<index].reversed().prefix { $0 == backslash }.count
                if escapes.isMultiple(of: 2) { isQuoted.toggle() }
            }
        }
        return 0
    }

    private func read(_ element: ArraySlice<UInt8>) -> IPAddress? {
        switch self {
        case .xForwardedFor: Self.node(element)
        case .forwarded: Self.forPair(of: element).flatMap(Self.node)
        }
    }

    /// Returns the value of the only pair named `for` (RFC 7239 §4). Semicolons within quotes also
    /// split the element; the parts are no addresses then.
    private static func forPair(of element: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var value: ArraySlice<UInt8>?
        for pair in element.split(separator: UInt8(ascii: ";")) {
            let pair = trimmed(pair)
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            guard name.map(\.lowercased) == Array("for".utf8) else { continue }
            guard value == nil else { return nil }
            value = pair.dropFirst(name.count + 1)
        }
        return value
    }

    /// Reads an address with or without a port, quoted or not. IPv6 may be in brackets.
    private static func node(_ text: ArraySlice<UInt8>) -> IPAddress? {
        var text = text
        if text.count >= 2, text.first == quote, text.last == quote {
            text = text.dropFirst().dropLast()
        }
        let colon = UInt8(ascii: ":")
        if text.first == UInt8(ascii: "[") {
            let address = text.dropFirst().prefix { $0 != UInt8(ascii: "]") }
            let port = text.dropFirst(address.count + 2)
            guard text.count >= address.count + 2, address.contains(colon),
                port.isEmpty || port.first == colon && isPort(port.dropFirst())
            else { return nil }
            return IPAddress(address)
        }
        if text.count(where: { $0 == colon }) == 1 {
            let address = text.prefix { $0 != colon }
            return isPort(text.dropFirst(address.count + 1)) ? IPAddress(address) : nil
        }
        return IPAddress(text)
    }

    /// Returns whether the text is digits, or an obfuscated port after an underscore (RFC 7239 §6).
    private static func isPort(_ text: ArraySlice<UInt8>) -> Bool {
        if text.first == UInt8(ascii: "_") { return text.allSatisfy(\.isTokenByte) }
        return (1...5).contains(text.count) && text.allSatisfy(\.isDigit)
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let start = bytes.firstIndex { !$0.isBlank } ?? bytes.endIndex
        let end = bytes.lastIndex { !$0.isBlank }.map { $0 + 1 } ?? start
        return bytes[start..<end]
    }
}
