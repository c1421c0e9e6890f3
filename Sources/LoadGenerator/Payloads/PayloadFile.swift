/// A user's own file. Its lines, or consecutive slices of it, are the messages.
package struct PayloadFile: Sendable, Hashable {
    package let bytes: [UInt8]
    /// Whether the file is UTF-8. It is then sent as text (RFC 6455 §5.6), else as binary.
    package let isText: Bool
    /// The lines that are messages, without their ends. Empty lines are skipped.
    ///
    /// There are none if the file is not text, has only one line, or has a line above
    /// ``lineSizeMax``.
    package let lines: [Range<Int>]
    /// Whether only the file's first lines are kept.
    package let isCut: Bool

    /// The largest line: the usual limit of servers for a message, and our default.
    package static let lineSizeMax = 1 << 20
    /// The maximum number of lines, and of their bytes: each loop encodes its own frames of them.
    static let linesMax = 1 << 16
    static let linesSizeMax = 16 << 20

    /// - Parameter bytes: The content of the file; not empty.
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
        // Lines end with LF or CR LF.
        bytes.split(separator: 0x0A).compactMap { line in
            let end = line.last == 0x0D ? line.endIndex - 1 : line.endIndex
            return end > line.startIndex ? line.startIndex..<end : nil
        }
    }

    /// The average bytes of a line, at least 1; 0 if there are no lines.
    package var lineSizeAverage: Int {
        if lines.isEmpty { return 0 }
        return lines.reduce(lines.count / 2) { $0 + $1.count } / lines.count
    }

    /// The number of lines in words: `the 1,200 lines of a file`.
    package var linesInWords: String {
        "the \(isCut ? "first " : "")\(Figures.grouped(lines.count)) lines of a file"
    }

    /// The whole lines.
    var lineMessages: [[UInt8]] { lines.map { Array(bytes[$0]) } }

    /// Returns the next `size` bytes, starting over at the end of the file. A slice of text may be
    /// up to three bytes shorter, since characters are not cut. A character larger than `size` is
    /// returned whole.
    ///
    /// - Parameter position: The start of the slice: 0 at first; moved to the end of the slice.
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

    /// Returns whether the byte at an index continues a character (RFC 3629 §3).
    private func isWithinCharacter(_ index: Int) -> Bool {
        bytes[index % bytes.count] & 0xC0 == 0x80
    }
}
