/// A user's own file: its lines are messages, or consecutive slices of it.
package struct PayloadFile: Sendable, Hashable {
    package let bytes: [UInt8]
    /// Whether it is UTF-8: it then goes as text (RFC 6455 §5.6), else as binary.
    package let isText: Bool
    /// The lines that are messages, without their ends; empty ones are none.
    ///
    /// There are none where the file is not text, holds one line only, or one above
    /// ``lineSizeMax``.
    package let lines: [Range<Int>]
    /// Whether only its first lines are kept.
    package let isCut: Bool

    /// What servers commonly take as one message, ours by default too.
    package static let lineSizeMax = 1 << 20
    /// As many lines are kept, and bytes of them: each loop makes its frames of them anew.
    static let linesMax = 1 << 16
    static let linesSizeMax = 16 << 20

    /// - Parameter bytes: what the file holds; not empty.
    package init(_ bytes: [UInt8]) {
        precondition(!bytes.isEmpty)
        self.bytes = bytes
        isText = String(validating: bytes, as: UTF8.self) != nil
        let all = isText ? Self.lines(of: bytes) : []
        guard all.count > 1, all.allSatisfy({ $0.count <= Self.lineSizeMax }) else {
            lines = []
            isCut = false
            return
        }
        var size = 0
        let kept = all.prefix(Self.linesMax).prefix { line in
            size += line.count
            return size <= Self.linesSizeMax
        }
        lines = Array(kept)
        isCut = kept.count < all.count
    }

    private static func lines(of bytes: [UInt8]) -> [Range<Int>] {
        // LF, or CR and LF.
        bytes.split(separator: 0x0A).compactMap { line in
            let end = line.last == 0x0D ? line.endIndex - 1 : line.endIndex
            return end > line.startIndex ? line.startIndex..<end : nil
        }
    }

    /// Bytes of a line on average, at least 1; 0 where there are none.
    package var lineSizeAverage: Int {
        if lines.isEmpty { return 0 }
        return lines.reduce(lines.count / 2) { $0 + $1.count } / lines.count
    }

    /// As in `the 1,200 lines of a file`.
    package var linesInWords: String {
        "the \(isCut ? "first " : "")\(Figures.grouped(lines.count)) lines of a file"
    }

    /// The lines, whole.
    var lineMessages: [[UInt8]] { lines.map { Array(bytes[$0]) } }

    /// The next `size` bytes, from the front again at the end; of text up to three fewer, as no
    /// character is cut, or all of one that is larger than `size`.
    ///
    /// - Parameter position: where it begins: 0, and then where the last one left it.
    func slice(_ size: Int, at position: inout Int) -> [UInt8] {
        var count = size
        if isText, size > 0 {
            while count > 0, isWithinCharacter(position + count) { count -= 1 }
            if count == 0 {
                count = size
                while isWithinCharacter(position + count) { count += 1 }
            }
        }
        let slice = (0..<count).map { bytes[(position + $0) % bytes.count] }
        position = (position + count) % bytes.count
        return slice
    }

    /// Whether the byte there is not a character's first (RFC 3629 §3).
    private func isWithinCharacter(_ index: Int) -> Bool {
        bytes[index % bytes.count] & 0xC0 == 0x80
    }
}
