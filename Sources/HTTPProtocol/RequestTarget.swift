/// A request target split into its parts, RFC 9112 §3.2.
struct RequestTarget: Sendable {
    var scheme: String?
    var authority: String?
    /// The origin-form with its query, or `*`.
    var path: String
    var segments: [ExactString] = []
    var query: ExactString?

    /// Splits and validates a target, which must have a form that `method` allows.
    init(_ bytes: Span<UInt8>, method: Span<UInt8>) throws(HTTPFault) {
        // §3.2.3: the authority-form is only for CONNECT, which allows no other form.
        if method.equals("CONNECT") {
            guard Authority.isAuthorityForm(bytes) else {
                throw .badRequest("CONNECT needs a host and a port.")
            }
            throw .notImplemented("This server is not a proxy.")
        }
        guard !bytes.isEmpty else { throw .badRequest("The request target is empty.") }
        if bytes[0] == 0x2F {
            path = bytes.string
            try parsePath(bytes)
        } else if bytes.equals("*") {
            // §3.2.4: the asterisk-form is only for OPTIONS.
            guard method.equals("OPTIONS") else {
                throw .badRequest("The target * is only valid with OPTIONS.")
            }
            path = "*"
        } else {
            path = ""
            try parseAbsolute(bytes, isOptions: method.equals("OPTIONS"))
        }
    }

    /// Parses the absolute-form, which a server MUST accept (§3.2.2).
    private mutating func parseAbsolute(
        _ bytes: Span<UInt8>, isOptions: Bool
    ) throws(HTTPFault) {
        guard let colon = bytes.firstIndex(of: 0x3A), colon + 2 < bytes.count,
            bytes[colon + 1] == 0x2F, bytes[colon + 2] == 0x2F
        else { throw .badRequest("The request target has an unknown form.") }
        let name = bytes.extracting(0..<colon)
        if name.equals(ignoringCase: "http") {
            scheme = "http"
        } else if name.equals(ignoringCase: "https") {
            scheme = "https"
        } else {
            throw .badRequest("The target's scheme is neither http nor https.")
        }
        let start = colon + 3
        var end = start
        while end < bytes.count, bytes[end] != 0x2F, bytes[end] != 0x3F { end += 1 }
        let host = bytes.extracting(start..<end)
        // RFC 9110 §4.2.1: an empty host is invalid; §4.2.4: user information is refused.
        guard Authority.isValid(host), !Authority.hasEmptyHost(host) else {
            throw .badRequest("The target's authority is malformed.")
        }
        authority = host.string
        let rest = bytes.extracting(end..<bytes.count)
        if rest.isEmpty {
            // §3.2.4: OPTIONS without path and query refers to the server as a whole.
            path = isOptions ? "*" : "/"
        } else {
            // RFC 9110 §4.2.3: an empty path equals `/`.
            path = rest[0] == 0x2F ? rest.string : "/" + rest.string
            try parsePath(rest)
        }
    }

    /// Validates the path and query. Splits the path into segments and decodes them.
    private mutating func parsePath(_ bytes: Span<UInt8>) throws(HTTPFault) {
        let pathEnd = bytes.firstIndex(of: 0x3F) ?? bytes.count
        if pathEnd > 1 {
            var segment: [UInt8] = []
            var index = 1
            while index < pathEnd {
                let byte = bytes[index]
                if byte == 0x2F {
                    try append(&segment)
                } else if byte == 0x25 {
                    segment.append(try decode(bytes, at: index))
                    index += 2
                } else {
                    guard byte.isPathByte else { throw Self.badCharacter }
                    segment.append(byte)
                }
                index += 1
            }
            try append(&segment)
        }
        guard pathEnd < bytes.count else { return }
        let rest = bytes.extracting(pathEnd + 1..<bytes.count)
        for index in rest.indices {
            // A `%` without two digits is literal, because browsers send it so (WHATWG URL, query
            // state).
            guard rest[index].isQueryByte else { throw Self.badCharacter }
        }
        query = ExactString(rest.string)
    }

    private func decode(_ bytes: Span<UInt8>, at index: Int) throws(HTTPFault) -> UInt8 {
        // In a path, unlike in a query, a `%` without two digits is refused (RFC 3986 §2.1), as
        // nginx, Apache and Go do. The path selects the handler: a proxy that reads the `%` as
        // `%25` would have checked another path than the one that is served.
        guard let byte = PercentEncoding.byte(in: bytes, at: index) else { throw Self.badEncoding }
        // RFC 3986 §7.3: a decoded NUL may end strings early in other programs.
        guard byte != 0 else { throw .badRequest("The path contains an encoded NUL.") }
        return byte
    }

    private mutating func append(_ segment: inout [UInt8]) throws(HTTPFault) {
        guard let text = ExactString(validating: segment) else {
            throw .badRequest("The path is not UTF-8.")
        }
        segments.append(text)
        segment.removeAll(keepingCapacity: true)
    }

    private static var badEncoding: HTTPFault {
        .badRequest("The request target's percent-encoding is invalid.")
    }
    private static var badCharacter: HTTPFault {
        .badRequest("The request target contains a character that must be encoded.")
    }
}

extension Span<UInt8> {
    /// Returns whether these bytes equal `text`, including the case.
    func equals(_ text: String) -> Bool {
        guard count == text.utf8.count else { return false }
        var index = 0
        for byte in text.utf8 {
            guard self[index] == byte else { return false }
            index += 1
        }
        return true
    }
}

extension UInt8 {
    /// Whether the byte is a `pchar` except `%` (RFC 3986 §3.3), or `[`, `]` or `|`, which browsers
    /// don't encode.
    fileprivate var isPathByte: Bool {
        switch self {
        case 0x3A, 0x40, 0x5B, 0x5D, 0x7C: true
        default: isUnreservedOrSubDelimiter
        }
    }

    /// Whether the byte is valid in a query (RFC 3986 §3.4), or one that the WHATWG URL standard
    /// doesn't encode there.
    fileprivate var isQueryByte: Bool {
        switch self {
        case 0x22, 0x23, 0x3C, 0x3E: false
        default: 0x21...0x7E ~= self
        }
    }
}
