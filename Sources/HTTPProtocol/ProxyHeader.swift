/// The peer that a proxy speaks for, according to the header of HAProxy's PROXY protocol (versions
/// 1 and 2). The header precedes all other bytes of a connection.
package enum ProxyHeader: Sendable, Hashable {
    /// The proxy speaks for itself, for example in a health check, or doesn't know the peer.
    case local
    case ip(IPAddress, port: UInt16)
    /// A client of a Unix-domain socket.
    case unix
}

/// The reason why a ``ProxyHeader`` is invalid.
package enum ProxyHeaderFault: String, Error, Sendable, Hashable {
    case noSignature = "it doesn't begin with the signature of the PROXY protocol"
    case unknownVersion = "its version or command is unknown"
    case unknownFamily = "its address family or transport is unknown"
    case tooShort = "it is too short for its addresses"
    case tooLong = "it is longer than allowed"
    case malformedLine = "its line is malformed"
}

/// An incremental parser of a ``ProxyHeader``. It consumes no bytes after the header.
///
/// It keeps at most ``sizeMax`` bytes. It fails at the first invalid byte, so that a stranger is
/// refused without waiting for a deadline.
package struct ProxyHeaderParser: Sendable {
    package enum Event: Sendable, Hashable {
        case needMore
        case header(ProxyHeader)
        /// The header is invalid. Every later call returns the same event.
        case failed(ProxyHeaderFault)
    }

    /// The size of a line of version 1 with its CRLF, in bytes (§2.1).
    package static let lineSizeMax = 107
    /// The maximum size of a header of version 2 in bytes, including the data after the addresses
    /// (§2.2).
    package static let sizeMax = 536

    private static let lineSignature = Array("PROXY ".utf8)
    private static let binarySignature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    /// The size of the part before the addresses in version 2, in bytes.
    private static let fixedSize = 16

    private var header: [UInt8] = []
    private var fault: ProxyHeaderFault?

    package init() {}

    /// Consumes bytes up to the end of the header. After an error, the number of consumed bytes has
    /// no meaning.
    package mutating func parse(
        _ bytes: UnsafeRawBufferPointer
    ) -> (event: Event, consumed: Int) {
        if let fault { return (.failed(fault), 0) }
        for index in bytes.indices {
            unsafe header.append(bytes[index])
            do throws(ProxyHeaderFault) {
                if let found = try look() { return (.header(found), index + 1) }
            } catch {
                fault = error
                return (.failed(error), index + 1)
            }
        }
        return (.needMore, bytes.count)
    }

    /// Returns the header if the last byte completes it.
    private func look() throws(ProxyHeaderFault) -> ProxyHeader? {
        try header[0] == Self.lineSignature[0] ? lookAtLine() : lookAtBinary()
    }

    // MARK: - Version 1

    private func lookAtLine() throws(ProxyHeaderFault) -> ProxyHeader? {
        let count = header.count
        if count <= Self.lineSignature.count {
            guard header[count - 1] == Self.lineSignature[count - 1] else { throw .noSignature }
        }
        guard header[count - 1] == 0x0A else {
            if count == Self.lineSizeMax { throw .tooLong }
            return nil
        }
        guard header[count - 2] == 0x0D else { throw .malformedLine }
        let words = header[..<(count - 2)].split(
            separator: 0x20, omittingEmptySubsequences: false)
        switch ExactString(validating: words[1]) {
        // §2.1: "The receiver must ignore anything presented before the CRLF".
        case "UNKNOWN": return .local
        case "TCP4": return try source(words, hasColons: false)
        case "TCP6": return try source(words, hasColons: true)
        default: throw .unknownFamily
        }
    }

    private func source(
        _ words: [ArraySlice<UInt8>], hasColons: Bool
    ) throws(ProxyHeaderFault) -> ProxyHeader {
        guard words.count == 6,
            words[2...3].allSatisfy({ $0.contains(UInt8(ascii: ":")) == hasColons }),
            let source = IPAddress(words[2]), IPAddress(words[3]) != nil,
            let port = Self.port(words[4]), Self.port(words[5]) != nil
        else { throw .malformedLine }
        return .ip(source, port: port)
    }

    private static func port(_ text: ArraySlice<UInt8>) -> UInt16? {
        guard (1...5).contains(text.count), text.allSatisfy(\.isDigit),
            text.count == 1 || text.first != 0x30
        else { return nil }
        return UInt16(exactly: text.reduce(0) { $0 * 10 + Int($1 - 0x30) })
    }

    // MARK: - Version 2

    private func lookAtBinary() throws(ProxyHeaderFault) -> ProxyHeader? {
        let count = header.count
        switch count {
        case ...Self.binarySignature.count:
            guard header[count - 1] == Self.binarySignature[count - 1] else { throw .noSignature }
            return nil
        case 13:
            guard header[12] == 0x20 || header[12] == 0x21 else { throw .unknownVersion }
            return nil
        case ..<Self.fixedSize: return nil
        case Self.fixedSize:
            guard Self.fixedSize + announced <= Self.sizeMax else { throw .tooLong }
            if !isLocal {
                let size = try addressesSize()
                guard announced >= size else { throw .tooShort }
            }
        default: break
        }
        return count == Self.fixedSize + announced ? source() : nil
    }

    /// The number of bytes after the fixed part: the addresses, and additions that aren't read.
    private var announced: Int { Int(header[14]) << 8 | Int(header[15]) }

    /// Whether the command is LOCAL. Nothing else is evaluated then, not even the family (§2.2).
    private var isLocal: Bool { header[12] == 0x20 }

    private func addressesSize() throws(ProxyHeaderFault) -> Int {
        switch header[13] {
        case 0x00: 0
        case 0x11, 0x12: 12
        case 0x21, 0x22: 36
        case 0x31, 0x32: 216
        // §2.2: other combinations "must be rejected as invalid".
        default: throw .unknownFamily
        }
    }

    private func source() -> ProxyHeader {
        if isLocal { return .local }
        switch header[13] >> 4 {
        case 1: return .ip(.v4(UInt32(number(at: 16, 4))), port: UInt16(number(at: 24, 2)))
        case 2:
            let address = IPAddress(high: number(at: 16, 8), low: number(at: 24, 8))
            return .ip(address, port: UInt16(number(at: 48, 2)))
        case 3: return .unix
        default: return .local
        }
    }

    /// Returns a number in network byte order.
    private func number(at start: Int, _ size: Int) -> UInt64 {
        header[start..<(start + size)].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
