package import WebSocketProtocol

/// Streams of frames, created from a few bytes: four for each frame, whatever their values.
///
/// Without faults every frame is valid and every message ends, so that random scripts reach many
/// states. With faults, the last byte of a frame may violate one rule.
package struct StreamScript {
    package let role: Session.Role
    package var allowsFaults = false
    /// Whether permessage-deflate was negotiated: every second message is marked as compressed.
    package var allowsCompression = false

    private var stream: [UInt8] = []
    private var kind: MessageKind?
    /// The position at which the text of the message in progress continues.
    private var textOffset = 0
    private var isClosed = false

    /// Characters of one to four bytes, repeated endlessly.
    private static let text = Array("Käse, 5 €: \u{1D11E}~\u{10FFFF} \u{7FF}\u{800}\u{FFFF}.".utf8)

    /// Sizes at which something changes: forms of length, words, blocks, buffers.
    private static let sizes = [
        124, 125, 126, 127, 128, 255, 256, 1_000, 4_095, 4_096, 4_097, 5_000, 16_383, 16_384,
        16_385, 20_000, 40_000, 65_535, 65_536, 70_000, 100_000,
    ]

    package init(role: Session.Role, allowsFaults: Bool = false, allowsCompression: Bool = false) {
        self.role = role
        self.allowsFaults = allowsFaults
        self.allowsCompression = allowsCompression
    }

    package func stream(from script: some Collection<UInt8>) -> [UInt8] {
        var writer = self
        var rest = Array(script)[...]
        while rest.count >= 4 {
            let step = Array(rest.prefix(4))
            writer.write(what: step[0], size: step[1], key: step[2], fault: step[3])
            rest = rest.dropFirst(4)
        }
        if !allowsFaults { writer.writeEnd() }
        return writer.stream
    }

    private mutating func write(what: UInt8, size: UInt8, key: UInt8, fault: UInt8) {
        // Large frames occur only while the stream is short, because tests would become slow.
        let isLarge = size >= 232 && stream.count < 40_000
        let size = isLarge ? Self.sizes[Int(size) % Self.sizes.count] : Int(size) % 48
        let isFinal = what & 0x80 != 0
        switch what % 16 {
        case 0: put(9, Wire.pattern(size % 126), key, fault)
        case 1: put(10, Wire.pattern(size % 126), key, fault)
        case 2 where what >= 0xF0: writeClose(size, key, fault)
        case 3 where allowsFaults: stream += Wire.pattern(size % 48)
        default:
            let opcode: UInt8 = kind != nil ? 0 : what & 0x40 == 0 ? 1 : 2
            if opcode != 0 { kind = opcode == 1 ? .text : .binary }
            let payload = kind == .text ? nextText(size, isFinal: isFinal) : Wire.pattern(size)
            let isMarked = allowsCompression && opcode != 0 && key & 1 != 0
            let reserved: UInt8 = isMarked ? 0x40 : 0
            put(opcode, payload, key, fault, isFinal: isFinal, reserved: reserved)
            if isFinal { (kind, textOffset) = (nil, 0) }
        }
    }

    private mutating func writeClose(_ size: Int, _ key: UInt8, _ fault: UInt8) {
        guard !isClosed || allowsFaults else { return }
        isClosed = true
        // 992 to 1023, or 1000 to 1003, all of which are valid.
        let code: [UInt8] = [3, allowsFaults ? 224 + key % 32 : 232 + key % 4]
        let reason = size < 2 ? [] : Array("farewell, Käse".utf8)
        put(8, size == 0 ? [] : code + reason, key, fault)
    }

    private mutating func writeEnd() {
        guard kind != nil else { return }
        let payload = kind == .text ? nextText(1, isFinal: true) : []
        put(0, payload, 7, 0)
        (kind, textOffset) = (nil, 0)
    }

    /// The text continues, split anywhere, or up to the end of a character if the message ends.
    private mutating func nextText(_ size: Int, isFinal: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        func next() -> UInt8 { Self.text[(textOffset + bytes.count) % Self.text.count] }
        while bytes.count < size || isFinal && next() & 0xC0 == 0x80 { bytes.append(next()) }
        textOffset += bytes.count
        return bytes
    }

    private mutating func put(
        _ opcode: UInt8, _ payload: [UInt8], _ key: UInt8, _ fault: UInt8, isFinal: Bool = true,
        reserved: UInt8 = 0
    ) {
        let key = [key, key &* 31, key >> 3, key ^ 0x5A]
        var (opcode, payload, isFinal, reserved) = (opcode, payload, isFinal, reserved)
        var (form, isMasked) = (Wire.LengthForm.minimal, role == .server)
        var announced: UInt64?
        var isCut = false
        switch fault {
        case _ where !allowsFaults: break
        case 224..<232 where !payload.isEmpty:
            payload[Int(key[0]) % payload.count] = key[1] | 0x80
        case 232: isFinal.toggle()
        case 233: reserved = key[0] & 0x70
        case 234: isMasked.toggle()
        case 235: form = .sixtyFour
        case 236 where payload.count < 65_536: form = .sixteen
        case 237: opcode ^= 1
        case 238: opcode = key[0] & 15
        case 239: announced = .max >> UInt64(key[0] % 64)
        case 240..<248: isCut = true
        default: break
        }
        let frame = Wire.frame(
            opcode, payload, to: role, isFinal: isFinal, reserved: reserved, form: form,
            announced: announced, isMasked: isMasked, key: key)
        stream += isCut ? frame.dropLast() : frame
    }
}

extension SeededGenerator {
    /// Returns ascending offsets at which to split `count` bytes: a few, many small pieces, or
    /// single bytes.
    package mutating func cuts(of count: Int) -> [Int] {
        switch Int.random(in: 0..<4, using: &self) {
        case 0:
            return (0..<Int.random(in: 1...6, using: &self)).map { _ in
                Int.random(in: 0...count, using: &self)
            }.sorted()
        case 1 where count < 10_000: return Array(0..<count)
        default:
            let sizeMax = [3, 17, 300, 5_000, 40_000].randomElement(using: &self)!
            var cuts: [Int] = []
            var offset = 0
            while offset < count, cuts.count < 2_000 {
                offset = min(count, offset + Int.random(in: 1...sizeMax, using: &self))
                cuts.append(offset)
            }
            return cuts
        }
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
}
