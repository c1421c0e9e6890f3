/// The syntax of `uri-host [ ":" port ]`, RFC 9110 §7.2 and RFC 3986 §3.2.
enum Authority {
    /// Returns whether the bytes are a host, which may be empty, with or without a port. User
    /// information is invalid.
    static func isValid(_ bytes: Span<UInt8>) -> Bool {
        guard let hostEnd = hostEnd(bytes) else { return false }
        return hostEnd == bytes.count || isPort(bytes, from: hostEnd)
    }

    /// Returns whether the host before the port is empty.
    static func hasEmptyHost(_ bytes: Span<UInt8>) -> Bool {
        bytes.isEmpty || bytes[0] == 0x3A
    }

    /// Returns whether the bytes are a host and a port, neither of them empty: the authority-form,
    /// RFC 9112 §3.2.3.
    static func isAuthorityForm(_ bytes: Span<UInt8>) -> Bool {
        guard !hasEmptyHost(bytes), let hostEnd = hostEnd(bytes) else { return false }
        return hostEnd + 1 < bytes.count && isPort(bytes, from: hostEnd)
    }

    private static func hostEnd(_ bytes: Span<UInt8>) -> Int? {
        if !bytes.isEmpty, bytes[0] == 0x5B { return literalEnd(bytes) }
        var index = 0
        while index < bytes.count, bytes[index] != 0x3A {
            if bytes[index] == 0x25 {
                guard PercentEncoding.byte(in: bytes, at: index) != nil else { return nil }
                index += 3
            } else {
                guard bytes[index].isUnreservedOrSubDelimiter else { return nil }
                index += 1
            }
        }
        return index
    }

    /// Returns the end of `"[" ( IPv6address / IPvFuture ) "]"`, RFC 3986 §3.2.2. The groups aren't
    /// counted.
    private static func literalEnd(_ bytes: Span<UInt8>) -> Int? {
        guard let close = bytes.firstIndex(of: 0x5D), close > 1 else { return nil }
        let isFuture = bytes[1].lowercased == 0x76
        for index in 1..<close {
            let byte = bytes[index]
            let isColon = byte == 0x3A
            let isIPv6 = byte.hexValue != nil || isColon || byte == 0x2E
            guard isIPv6 || isFuture && byte.isUnreservedOrSubDelimiter else { return nil }
        }
        return close + 1
    }

    /// Returns whether the rest is `":" *DIGIT`, at most 65,535.
    private static func isPort(_ bytes: Span<UInt8>, from colon: Int) -> Bool {
        guard bytes[colon] == 0x3A else { return false }
        var port = 0
        for index in colon + 1..<bytes.count {
            guard bytes[index].isDigit else { return false }
            port = port * 10 + Int(bytes[index] - 0x30)
            guard port <= 65_535 else { return false }
        }
        return true
    }
}

/// Percent-encoding, RFC 3986 §2.1.
enum PercentEncoding {
    /// Returns the byte that is encoded by the `%` at `index` and the two digits after it.
    static func byte(in bytes: Span<UInt8>, at index: Int) -> UInt8? {
        guard index + 2 < bytes.count, let high = bytes[index + 1].hexValue,
            let low = bytes[index + 2].hexValue
        else { return nil }
        return high << 4 | low
    }
}
