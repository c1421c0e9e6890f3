/// The fields of an `application/x-www-form-urlencoded` body or of a query, in order (WHATWG URL
/// §5.1). `+` is a space, and a `%` without two digits is literal.
package struct Form: Sendable {
    package struct Field: Sendable {
        /// The name, or `nil` if it isn't UTF-8: no field that is looked up has such a name.
        package let name: ExactString?
        package let nameBytes: [UInt8]
        package let value: [UInt8]
    }

    package private(set) var fields: [Field] = []
    /// Whether a `%` without two digits occurred.
    package private(set) var hasBareEscape = false

    package init(_ bytes: some Sequence<UInt8>) {
        for pair in Array(bytes).split(separator: UInt8(ascii: "&")) {
            let sides = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let name = decode(sides[0])
            let value = sides.count == 2 ? decode(sides[1]) : []
            fields.append(
                Field(name: ExactString(validating: name), nameBytes: name, value: value))
        }
    }

    package init(_ text: ExactString) { self.init(text.utf8) }

    /// Returns the last value of a name, as FastAPI does. A repeated field is no error.
    package subscript(name: ExactString) -> [UInt8]? { fields.last { $0.name == name }?.value }

    private mutating func decode(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            index += 1
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                if index + 1 < text.endIndex, let high = text[index].hexValue,
                    let low = text[index + 1].hexValue
                {
                    bytes.append(high << 4 | low)
                    index += 2
                } else {
                    bytes.append(byte)
                    hasBareEscape = true
                }
            default: bytes.append(byte)
            }
        }
        return bytes
    }
}
