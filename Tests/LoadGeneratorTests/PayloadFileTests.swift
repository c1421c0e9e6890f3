import Testing

@testable import LoadGenerator

@Suite("The payload of a load from a file")
struct PayloadFileTests {
    private func file(_ text: String) -> PayloadFile { PayloadFile(Array(text.utf8)) }

    private func lines(_ text: String) -> [String] {
        file(text).lineMessages.map { String(decoding: $0, as: UTF8.self) }
    }

    private func slices(_ file: PayloadFile, _ sizes: [Int], _ count: Int) -> [[UInt8]] {
        PayloadKind.file(file).messages(sizes: sizes, count: count)
    }

    @Test(
        "Each line is a message, whatever its end; empty lines aren't",
        arguments: [
            "{\"a\":1}\n{\"ä\":2}\n", "{\"a\":1}\n{\"ä\":2}", "\n{\"a\":1}\n\n\n{\"ä\":2}\n\n",
            "{\"a\":1}\r\n\r\n{\"ä\":2}\r\n",
        ])
    func eachLine(_ text: String) {
        #expect(lines(text) == ["{\"a\":1}", "{\"ä\":2}"])
        #expect(file(text).isText && !file(text).isCut)
        #expect(PayloadKind.file(file(text)).hasLines)
    }

    @Test(
        "A file with a single line, or only line ends, has no lines",
        arguments: ["{}", "{}\n", "\n{}\n", "\n\n", "\r\n"])
    func oneLine(_ text: String) {
        #expect(lines(text) == [])
        #expect(!PayloadKind.file(file(text)).hasLines)
    }

    @Test("A line of the largest size is a message; a longer one makes slices of the file")
    func longLines() {
        let most = String(repeating: "x", count: PayloadFile.lineSizeMax)
        #expect(file("a\n\(most)\r\nb\n").lines.count == 3)
        #expect(file("a\n\(most)x\nb\n").lines.isEmpty)
    }

    @Test("A file that isn't UTF-8 has no lines and is sent as binary")
    func binary() {
        let file = PayloadFile([0x41, 0x0A, 0xC3, 0x0A, 0x42])
        #expect(!file.isText && file.lines.isEmpty)
        #expect(slices(file, [3], 2) == [[0x41, 0x0A, 0xC3], [0x0A, 0x42, 0x41]])
    }

    @Test("Of very many lines the first ones are kept, and fewer of very long ones")
    func cut() {
        let many = file(String(repeating: "x\n", count: PayloadFile.linesMax + 1))
        #expect(many.isCut && many.lines.count == PayloadFile.linesMax)
        #expect(many.linesInWords == "the first 65,536 lines of a file")
        let line = String(repeating: "x", count: PayloadFile.lineSizeMax) + "\n"
        let long = file(String(repeating: line, count: 17))
        #expect(long.isCut && long.lines.count == 16)
    }

    @Test("The average size of a line is rounded")
    func average() {
        #expect(file("a\nbb\n").lineSizeAverage == 2)
        #expect(file("a\nbb\nc\n").lineSizeAverage == 1)
        #expect(file("a").lineSizeAverage == 0)
    }

    @Test("Slices follow one another, and start again at the end")
    func follow() {
        let found = slices(file("abcde"), [3, 4], 3)
        #expect(found.map { String(decoding: $0, as: UTF8.self) } == ["abc", "deab", "cde"])
    }

    @Test("Slices of text end between characters, and lose nothing", arguments: 1...9)
    func characters(_ size: Int) {
        // Characters of one, two, three and four bytes.
        let text = "aä€😀b"
        let found = slices(file(text), [size], 40)
        for slice in found {
            #expect(String(validating: slice, as: UTF8.self) != nil)
            #expect(!slice.isEmpty && slice.count > size - 4)
            // Larger only if it is a single character.
            #expect(slice.count <= size || String(decoding: slice, as: UTF8.self).count == 1)
        }
        let sent = Array(found.joined())
        #expect(sent == (0..<sent.count).map { Array(text.utf8)[$0 % text.utf8.count] })
    }

    @Test("An empty slice stays empty")
    func empty() {
        #expect(slices(file("ä"), [0, 2], 2) == [[], Array("ä".utf8)])
    }

    @Test(
        "The pool of a file's frames contains its lines in order",
        arguments: [nil, 15] as [Int?])
    func pool(_ windowBits: Int?) {
        let file = file("first\nsecond line\n\nthird\n")
        let pool = FramePool(.file(file), sizes: nil, windowBits: windowBits, batch: 16)
        #expect(pool.messages == file.lineMessages && pool.count == 3)
        #expect(pool.isText)
        #expect(pool.size(of: 4, from: 1) == 11 + 5 + 5 + 11)
    }
}
