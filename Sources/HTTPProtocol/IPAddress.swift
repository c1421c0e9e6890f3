/// An IPv4 or IPv6 address as numbers, parsed without a call to the system.
package enum IPAddress: Sendable, Hashable {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// Parses dotted decimals without leading zeros, or the forms of RFC 4291 §2.2 without a zone.
    /// An IPv4-mapped IPv6 address becomes IPv4, because both are the same client.
    package init?(_ text: some StringProtocol) {
        self.init(Array(text.utf8)[...])
    }

    package init?(_ text: ArraySlice<UInt8>) {
        // The longest address has 45 bytes.
        guard text.count <= 45 else { return nil }
        if !text.contains(UInt8(ascii: ":")) {
            guard let address = Self.readV4(text) else { return nil }
            self = .v4(address)
            return
        }
        guard let groups = Self.readGroups(text) else { return nil }
        let words = groups.map { UInt64($0) }
        let high = words[0] << 48 | words[1] << 32 | words[2] << 16 | words[3]
        let low = words[4] << 48 | words[5] << 32 | words[6] << 16 | words[7]
        self.init(high: high, low: low)
    }

    /// Creates an IPv6 address, or the IPv4 address that is mapped into it (RFC 4291 §2.5.5.2).
    package init(high: UInt64, low: UInt64) {
        self =
            high == 0 && low >> 32 == 0xFFFF
            ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high: high, low: low)
    }

    private static func readV4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            // Some programs read a leading zero as octal.
            guard (1...3).contains(part.count), part.count == 1 || part.first != 0x30 else {
                return nil
            }
            var number: UInt32 = 0
            for byte in part {
                guard byte.isDigit else { return nil }
                number = number * 10 + UInt32(byte - 0x30)
            }
            guard number < 256 else { return nil }
            address = address << 8 | number
        }
        return address
    }

    /// Returns the eight groups of an IPv6 address.
    private static func readGroups(_ text: ArraySlice<UInt8>) -> [UInt16]? {
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        /// The index of `::`, where the omitted groups are inserted.
        var gap: Int?
        var rest = text
        if rest.starts(with: [colon, colon]) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let group = rest.prefix { $0 != colon }
            rest = rest.dropFirst(group.count)
            if rest.isEmpty, group.contains(UInt8(ascii: ".")) {
                guard let last = readV4(group) else { return nil }
                groups += [UInt16(last >> 16), UInt16(truncatingIfNeeded: last)]
                break
            }
            guard let value = readGroup(group) else { return nil }
            groups.append(value)
            if rest.isEmpty { break }
            rest = rest.dropFirst()
            guard let next = rest.first else { return nil }
            if next == colon {
                guard gap == nil else { return nil }
                gap = groups.count
                rest = rest.dropFirst()
            }
        }
        guard let gap else { return groups.count == 8 ? groups : nil }
        guard groups.count < 8 else { return nil }
        groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        return groups
    }

    private static func readGroup(_ text: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(text.count) else { return nil }
        var value: UInt16 = 0
        for byte in text {
            guard let digit = byte.hexValue else { return nil }
            value = value << 4 | UInt16(digit)
        }
        return value
    }
}
