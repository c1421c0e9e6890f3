package import HTTPTypes

/// The addresses that proxies on the way have noted in a request, the nearest first.
///
/// Who sends a request can put anything in front of what the proxies add. So all is read from its
/// end, quotes too, and nothing in front of an unreadable hop is looked at.
package enum ForwardedHops: Sendable, Hashable {
    /// `X-Forwarded-For: client, proxy, proxy`.
    case xForwardedFor
    /// `Forwarded: for=client, for="[2001:db8::1]:4711";proto=https` (RFC 7239).
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

    /// The nearest hop for which `isEnd` holds, else the farthest that can be read; `nil` if not
    /// even the nearest can.
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

    /// Behind the last comma before `end` that isn't quoted.
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

    /// The value of the one pair named `for` (RFC 7239 §4). A semicolon within quotes splits too;
    /// what it splits is no address then.
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

    /// An address, alone or with a port, an IPv6 one in brackets or not, quoted or not.
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

    /// Digits, or a name for one behind an underscore (RFC 7239 §6).
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
