/// Whom a proxy speaks for, as the header of HAProxy's PROXY protocol says that stands before
/// everything else on a connection (versions 1 and 2).
package enum ProxyHeader: Sendable, Hashable {
    /// The proxy speaks for itself, as in a health check, or doesn't know for whom.
    case local
    case ip(IPAddress, port: UInt16)
    /// A client of a Unix-domain socket.
    case unix
}

/// Why bytes are no ``ProxyHeader``.
package enum ProxyHeaderFault: String, Error, Sendable, Hashable {
    case noSignature = "it begins with no signature of the PROXY protocol"
    case unknownVersion = "its version or command is unknown"
    case unknownFamily = "its address family or transport is unknown"
    case tooShort = "it is too short for its addresses"
    case tooLong = "it is longer than allowed"
    case malformedLine = "its line is malformed"
}

/// Reads a ``ProxyHeader`` from bytes as they come, and none of the bytes behind it.
///
/// It keeps at most ``sizeMax`` bytes, and fails at the first byte that can't be right, so that a
/// stranger is turned away without a deadline.
package struct ProxyHeaderParser: Sendable {
    package enum Event: Sendable, Hashable {
        case needMore
        case header(ProxyHeader)
        /// Told again however often it is asked.
        case failed(ProxyHeaderFault)
    }

    /// A line of version 1, its CRLF included (§2.1).
    package static let lineSizeMax = 107
    /// A header of version 2, what it says beside the addresses included (§2.2).
    package static let sizeMax = 536

    private static let lineSignature = Array("PROXY ".utf8)
    private static let binarySignature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    /// What version 2 has before its addresses.
    private static let fixedSize = 16

    private var header: [UInt8] = []
    private var fault: ProxyHeaderFault?

    package init() {}

    /// Consumes bytes up to the header's end; of a fault's bytes any number.
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

    /// The header if the byte added last completes it.
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
        // «The receiver must ignore anything presented before the CRLF» (§2.1).
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

    /// Bytes behind the fixed ones: addresses, then what proxies add and we don't read.
    private var announced: Int { Int(header[14]) << 8 | Int(header[15]) }

    /// Of LOCAL nothing more is to be looked at, not even the family (§2.2).
    private var isLocal: Bool { header[12] == 0x20 }

    private func addressesSize() throws(ProxyHeaderFault) -> Int {
        switch header[13] {
        case 0x00: 0
        case 0x11, 0x12: 12
        case 0x21, 0x22: 36
        case 0x31, 0x32: 216
        // §2.2: other combinations «must be rejected as invalid».
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

    /// A number in network order.
    private func number(at start: Int, _ size: Int) -> UInt64 {
        header[start..<(start + size)].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
