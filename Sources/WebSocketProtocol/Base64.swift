/// Base64 with padding (RFC 4648 §4), as far as the opening handshake needs it.
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

    /// Whether it is the one right encoding of exactly 16 bytes: 22 digits, of which the last
    /// has no bits past the sixteenth byte, and `==`.
    static func isSixteenBytes(_ text: String) -> Bool {
        let utf8 = text.utf8
        guard utf8.count == 24, utf8.suffix(2).allSatisfy({ $0 == UInt8(ascii: "=") }) else {
            return false
        }
        var last: UInt8 = 0
        for byte in utf8.prefix(22) {
            guard let value = value(of: byte) else { return false }
            last = value
        }
        return last & 15 == 0
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

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
