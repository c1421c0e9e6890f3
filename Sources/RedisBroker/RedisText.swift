/// A text that Redis has written for people, such as an error. It is escaped and shortened, because
/// it goes to logs and to clients.
struct RedisText: Equatable {
    /// The most bytes that are shown, without the mark for an omission.
    static let shownMax = 200

    let bytes: [UInt8]

    init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// Returns whether the text repeats the beginning of a secret. Redis shortens its quotations.
    func repeats(_ secret: String) -> Bool {
        let start = Array(secret.utf8.prefix(4))
        guard !start.isEmpty, bytes.count >= start.count else { return false }
        return (0...bytes.count - start.count).contains { bytes[$0...].starts(with: start) }
    }
}

extension RedisText: CustomStringConvertible {
    /// The text in printable ASCII: other bytes as `\xNN`, and backslashes doubled.
    var description: String {
        var shown = ""
        for byte in bytes {
            let piece = Self.escaped(byte)
            guard shown.utf8.count + piece.utf8.count <= Self.shownMax else { return shown + "..." }
            shown += piece
        }
        return shown
    }

    private static func escaped(_ byte: UInt8) -> String {
        if byte == UInt8(ascii: "\\") { return "\\\\" }
        if (0x20...0x7E).contains(byte) { return String(UnicodeScalar(byte)) }
        let digits = String(byte, radix: 16, uppercase: true)
        return "\\x" + (digits.count == 1 ? "0" : "") + digits
    }
}
