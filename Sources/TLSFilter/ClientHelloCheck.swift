/// A check of the first bytes that a server receives, before a session is made for them: they must
/// begin a ClientHello of a reasonable size (RFC 8446 §4 and §5.1).
package struct ClientHelloCheck {
    /// The largest ClientHello. Those with post-quantum key shares have some 2 KiB.
    package static let sizeMax = 16 << 10

    package enum Verdict: Equatable {
        case fine
        /// A request in plain text.
        case plainText
        /// Something else than a handshake, or one that is too big.
        case invalid
    }

    /// The bytes seen so far, up to those that are checked.
    private var seen = 0
    /// The length of the first record.
    private var recordSize = 0
    /// The length of the message.
    private var messageSize = 0

    package init() {}

    /// Whether all bytes that are checked have been seen.
    private var isDone: Bool { seen == 9 }

    /// Checks further bytes.
    package mutating func check(_ bytes: UnsafeRawBufferPointer) -> Verdict {
        for index in bytes.indices {
            if isDone { return .fine }
            let verdict = unsafe check(bytes[index])
            guard verdict == .fine else { return verdict }
            seen += 1
        }
        return .fine
    }

    private mutating func check(_ byte: UInt8) -> Verdict {
        switch seen {
        case 0:
            // Methods of HTTP are letters; the type of a handshake record is 22.
            if 0x41...0x5A ~= byte & 0xDF { return .plainText }
            return byte == 22 ? .fine : .invalid
        case 1: return byte == 3 ? .fine : .invalid
        case 2: return .fine
        case 3, 4:
            recordSize = recordSize << 8 | Int(byte)
            // A header that is spread over records would not be seen below.
            return seen == 3 || recordSize >= 4 ? .fine : .invalid
        case 5: return byte == 1 ? .fine : .invalid
        default:
            messageSize = messageSize << 8 | Int(byte)
            return messageSize <= Self.sizeMax ? .fine : .invalid
        }
    }
}
