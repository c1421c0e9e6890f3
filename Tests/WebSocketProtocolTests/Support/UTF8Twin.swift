/// A slow and simple second implementation of ``UTF8Validator``, its twin: the table of RFC 3629
/// §4.
enum UTF8Twin {
    static let tail: ClosedRange<UInt8> = 0x80...0xBF

    /// Returns the ranges of the bytes after a lead byte; `nil` if it isn't one.
    static func tails(after lead: UInt8) -> [ClosedRange<UInt8>]? {
        switch lead {
        case 0x00...0x7F: []
        case 0xC2...0xDF: [tail]
        case 0xE0: [0xA0...0xBF, tail]
        case 0xE1...0xEC, 0xEE...0xEF: [tail, tail]
        case 0xED: [0x80...0x9F, tail]
        case 0xF0: [0x90...0xBF, tail, tail]
        case 0xF1...0xF3: [tail, tail, tail]
        case 0xF4: [0x80...0x8F, tail, tail]
        default: nil
        }
    }

    /// Returns the position of the first invalid byte, if any, whether the text ends at a boundary,
    /// and the ranges of the missing bytes of its last character.
    static func judge(
        _ bytes: some Sequence<UInt8>
    ) -> (failure: Int?, isComplete: Bool, wanted: [ClosedRange<UInt8>]) {
        var wanted: [ClosedRange<UInt8>] = []
        for (index, byte) in bytes.enumerated() {
            if let range = wanted.first {
                guard range.contains(byte) else { return (index, false, []) }
                wanted.removeFirst()
            } else {
                guard let tails = tails(after: byte) else { return (index, false, []) }
                wanted = tails
            }
        }
        return (nil, wanted.isEmpty, wanted)
    }
}
