import Testing
import WebSocketProtocol

extension UTF8Validator {
    mutating func validate(_ bytes: some Collection<UInt8>) -> Bool {
        let bytes = Array(bytes) + [0xFF]  // no byte after the count may be read as text
        return bytes.withUnsafeBytes { validate($0.baseAddress!, count: bytes.count - 1) }
    }

    static func isValid(_ bytes: some Collection<UInt8>) -> Bool {
        let bytes = Array(bytes) + [0xFF]
        return bytes.withUnsafeBytes { isValid($0.baseAddress!, count: bytes.count - 1) }
    }
}

@Suite struct UTF8ValidatorTests {
    /// Checks a complete text, by `isValid` and by the twin.
    private func agrees(_ bytes: UnsafeMutableRawPointer, count: Int) -> Bool {
        let text = UnsafeRawBufferPointer(start: bytes, count: count)
        let twin = UTF8Twin.judge(text)
        var validator = UTF8Validator()
        let accepted = validator.validate(bytes, count: count)
        return accepted == (twin.failure == nil) && validator.isComplete == twin.isComplete
            && UTF8Validator.isValid(bytes, count: count) == twin.isComplete
    }

    @Test("It has at most eight bytes, and zero is its initial state")
    func size() {
        #expect(MemoryLayout<UTF8Validator>.size <= 8)
        let zeros = [UInt8](repeating: 0, count: MemoryLayout<UTF8Validator>.stride)
        var validator = zeros.withUnsafeBytes { $0.loadUnaligned(as: UTF8Validator.self) }
        #expect(validator.isComplete)
        #expect(validator.validate("Käse".utf8) == true)
    }

    @Test("Every string of one and two bytes has the twin's result")
    func twoBytes() {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: 2, alignment: 1)
        defer { bytes.deallocate() }
        let text = bytes.assumingMemoryBound(to: UInt8.self)
        for a in UInt8.min...UInt8.max {
            text[0] = a
            if !agrees(bytes, count: 1) { Issue.record("\(a)") }
            for b in UInt8.min...UInt8.max {
                text[1] = b
                if !agrees(bytes, count: 2) { Issue.record("\(a), \(b)") }
            }
        }
    }

    @Test("Every string of three bytes has the twin's result")
    func threeBytes() {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: 3, alignment: 1)
        defer { bytes.deallocate() }
        let text = bytes.assumingMemoryBound(to: UInt8.self)
        var wrong = 0
        for a in UInt8.min...UInt8.max {
            for b in UInt8.min...UInt8.max {
                (text[0], text[1]) = (a, b)
                // The twin is called once for each two bytes, because it is slow.
                let twin = UTF8Twin.judge([a, b])
                let next = twin.wanted.first
                for c in UInt8.min...UInt8.max {
                    text[2] = c
                    let isPossible =
                        twin.failure == nil && (next?.contains(c) ?? Self.leads[Int(c)])
                    let isComplete = isPossible && (next == nil ? c < 0x80 : twin.wanted.count == 1)
                    var validator = UTF8Validator()
                    if validator.validate(bytes, count: 3) != isPossible
                        || validator.isComplete != isComplete
                        || UTF8Validator.isValid(bytes, count: 3) != isComplete
                    {
                        wrong += 1
                    }
                }
            }
        }
        #expect(wrong == 0)
    }

    static let leads = (UInt8.min...UInt8.max).map { UTF8Twin.tails(after: $0) != nil }

    static let boundaries: [UInt8] = [
        0x00, 0x41, 0x7F, 0x80, 0x81, 0x8E, 0x8F, 0x90, 0x91, 0x9E, 0x9F, 0xA0, 0xA1, 0xBE, 0xBF,
        0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF,
    ]

    @Test(
        "Every string of four boundary bytes after F0…F5 has the twin's result",
        arguments: UInt8(0xF0)...0xF5)
    func fourBytes(lead: UInt8) {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 1)
        defer { bytes.deallocate() }
        let text = bytes.assumingMemoryBound(to: UInt8.self)
        text[0] = lead
        var wrong = 0
        for b in UInt8.min...UInt8.max {
            for c in Self.boundaries {
                for d in Self.boundaries {
                    (text[1], text[2], text[3]) = (b, c, d)
                    if !agrees(bytes, count: 4) { wrong += 1 }
                }
            }
        }
        #expect(wrong == 0)
    }

    @Test(
        "It fails at the first invalid byte, not later",
        arguments: [
            ([0x80], 0), ([0xBF], 0), ([0xC0], 0), ([0xC1], 0), ([0xF5], 0), ([0xFF], 0),
            ([0xC2, 0x41], 1), ([0xC2, 0xC2], 1), ([0xE0, 0x9F], 1), ([0xE0, 0x80], 1),
            ([0xED, 0xA0], 1), ([0xED, 0xBF], 1), ([0xF0, 0x8F], 1), ([0xF0, 0x80], 1),
            ([0xF4, 0x90], 1), ([0xF4, 0xBF], 1), ([0xE2, 0x82, 0x41], 2),
            ([0xF0, 0x9F, 0x98, 0x41], 3), ([0x41, 0x42, 0x80], 2),
            ([0xF0, 0x9F, 0x98, 0x80, 0x80], 4),
        ] as [([UInt8], Int)],
        [0, 1, 7, 8, 9, 30, 33, 63, 64, 65, 130])
    func position(text: (bytes: [UInt8], failure: Int), prefix: Int) {
        let bytes = [UInt8](repeating: 0x61, count: prefix) + text.bytes
        let failure = prefix + text.failure
        var validator = UTF8Validator()
        #expect(validator.validate(bytes[..<failure]) == true)
        #expect(validator.validate(bytes[failure...failure]) == false)
        #expect(!validator.isComplete)
        #expect(validator.validate("abc".utf8) == false, "a failure lasts")
        #expect(validator.validate("".utf8) == false, "a failure lasts")
        validator.reset()
        #expect(validator.isComplete)
        #expect(validator.validate("abc".utf8) == true)
        #expect(!UTF8Validator.isValid(bytes[...failure]))
        #expect(!UTF8Validator.isValid(bytes + [UInt8](repeating: 0x61, count: 100)))
    }

    static let texts = [
        "", "a", "Hello", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "漢字かな交じり文", "😀👩‍👩‍👧‍👦🏳️‍🌈",
        "\u{0}\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}",
        String(repeating: "a", count: 200) + "é" + String(repeating: "b", count: 70),
        String(repeating: "€", count: 70),
    ]

    @Test("A text that is split in three anywhere is accepted", arguments: texts)
    func split(text: String) {
        let bytes = Array(text.utf8)
        let step = max(1, bytes.count / 40)
        for first in 0...bytes.count {
            for second in Swift.stride(from: first, through: bytes.count, by: step) {
                var validator = UTF8Validator()
                var ok = validator.validate(bytes[..<first])
                ok = ok && validator.isComplete == UTF8Twin.judge(bytes[..<first]).isComplete
                ok = ok && validator.validate(bytes[first..<second])
                ok = ok && validator.isComplete == UTF8Twin.judge(bytes[..<second]).isComplete
                ok = ok && validator.validate(bytes[second...]) && validator.isComplete
                if !ok { Issue.record("cut at \(first) and \(second)") }
            }
        }
        #expect(UTF8Validator.isValid(bytes))
    }

    @Test("A text that ends within a character is valid so far, but incomplete")
    func brokenOff() {
        for count in 1...3 {
            var validator = UTF8Validator()
            #expect(validator.validate(Array("😀".utf8)[..<count]) == true)
            #expect(!validator.isComplete)
            #expect(!UTF8Validator.isValid(Array("😀".utf8)[..<count]))
        }
    }

    @Test("One invalid byte anywhere in ASCII is found", arguments: [0x80, 0xC3, 0xFF] as [UInt8])
    func badByte(bad: UInt8) {
        for count in 1...200 {
            for index in 0..<count {
                var bytes = [UInt8](repeating: 0x20, count: count)
                bytes[index] = bad
                if UTF8Validator.isValid(bytes) { Issue.record("\(index) of \(count)") }
            }
        }
    }

    @Test("Random mixtures have the same result as with Swift strings")
    func random() {
        var random = SystemRandomNumberGenerator()
        let pieces = Self.texts.map { Array($0.utf8) } + [[UInt8](repeating: 0x61, count: 64)]
        for _ in 0..<2_000 {
            var bytes = (0..<Int.random(in: 1...6)).flatMap { _ in pieces.randomElement()! }
            if !bytes.isEmpty, Bool.random() {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255)
            }
            let expected = String(validating: bytes, as: UTF8.self) != nil
            #expect(UTF8Validator.isValid(bytes) == expected, "\(bytes)")
        }
    }
}
