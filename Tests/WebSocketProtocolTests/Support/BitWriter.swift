/// A writer of deflate data bit by bit (RFC 1951 §3.1.1): numbers from their lowest bit, codes from
/// their highest. The last byte is padded with zeros.
struct BitWriter {
    private(set) var bytes: [UInt8] = []
    private var count = 0

    mutating func bits(_ value: Int, _ width: Int) {
        for bit in 0..<width {
            if count % 8 == 0 { bytes.append(0) }
            if value >> bit & 1 == 1 { bytes[count / 8] |= 1 << (count % 8) }
            count += 1
        }
    }

    mutating func code(_ value: Int, _ width: Int) {
        for bit in (0..<width).reversed() { bits(value >> bit & 1, 1) }
    }

    /// Pads the last byte.
    mutating func align() { count = 8 * bytes.count }

    /// Writes an empty block with codes of its own, in 90 bits. If `isComplete` is false, its codes
    /// leave half of their space unused, in a way that zlib refuses.
    mutating func emptyDynamicBlock(isComplete: Bool = true) {
        bits(0b100, 3)  // not final, dynamic codes
        bits(0, 5)  // 257 literals and lengths
        bits(0, 5)  // a distance
        bits(14, 4)  // lengths of 18 code lengths
        for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
            bits(symbol == 18 || symbol == (isComplete ? 1 : 2) ? 1 : 0, 3)
        }
        for run in [138, 118] {
            code(1, 1)  // 18: zeros
            bits(run - 11, 7)
        }
        code(0, 1)  // the code of the end of block has one bit, or two
        code(0, 1)  // and so has the code of the distance
        bits(0, isComplete ? 1 : 2)  // end of block
    }
}
