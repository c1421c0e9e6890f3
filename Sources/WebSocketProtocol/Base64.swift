/// Base64 with padding (RFC 4648 §4), to the extent that the opening handshake needs it.
enum Base64 {
    static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var rest = bytes[...]
        while let first = rest.popFirst() {
            let second = rest.popFirst()
            let third = rest.popFirst()
            let group = UInt32(first) << 16 | UInt32(second ?? 0) << 8 | UInt32(third ?? 0)
            text.append(digit(group >> 18))
            text.append(digit(group >> 12 & 63))
            text.append(second == nil ? UInt8(ascii: "=") : digit(group >> 6 & 63))
            text.append(third == nil ? UInt8(ascii: "=") : digit(group & 63))
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Returns whether the text decodes to exactly 16 bytes: 22 digits and `==`.
    ///
    /// The last digit may have bits beyond the sixteenth byte, which decoders may ignore (RFC 4648
    /// §3.5). The example key of RFC 6455 §4.1 has some.
    static func isSixteenBytes(_ text: String) -> Bool {
        let utf8 = text.utf8
        return utf8.count == 24 && utf8.prefix(22).allSatisfy(isDigit)
            && utf8.suffix(2).allSatisfy { $0 == UInt8(ascii: "=") }
    }

    private static func digit(_ value: UInt32) -> UInt8 {
        let value = UInt8(value)
        return switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + value - 26
        case 52..<62: UInt8(ascii: "0") + value - 52
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
            true
        default: false
        }
    }
}
