import Testing
import WebSocketProtocol

@Suite struct FrameHeaderTests {
    /// The lengths at which the form changes, and the header sizes without a key.
    private static let sizes: [(length: Int, size: Int)] = [
        (0, 2), (1, 2), (125, 2), (126, 4), (127, 4), (65_535, 4), (65_536, 10), (1 << 40, 10),
        (.max, 10),
    ]

    private func encoded(_ firstByte: UInt8, _ length: Int, key: UInt32?) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xA5, count: FrameHeader.sizeMax + 1)
        let size = bytes.withUnsafeMutableBytes {
            FrameHeader.encode(
                firstByte: firstByte, payload: length, maskingKey: key, to: $0.baseAddress!)
        }
        #expect(bytes[size...].allSatisfy { $0 == 0xA5 }, "written past its size")
        return Array(bytes[..<size])
    }

    @Test("A length is encoded in its shortest form, big-endian", arguments: sizes)
    func shortest(length: Int, size: Int) {
        #expect(FrameHeader.size(payload: length, isMasked: false) == size)
        #expect(FrameHeader.size(payload: length, isMasked: true) == size + 4)
        let bytes = encoded(0x82, length, key: nil)
        #expect(bytes.count == size && bytes[0] == 0x82)
        #expect(bytes[1] == (size == 2 ? UInt8(length) : size == 4 ? 126 : 127))
        if size > 2 {
            #expect(bytes[2...].reduce(0) { $0 << 8 | Int($1) } == length)
        }
    }

    @Test(
        "With a key, the mask bit is set and the bytes of the key follow in order", arguments: sizes
    )
    func masked(length: Int, size: Int) {
        let key = Wire.key.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        let plain = encoded(0x81, length, key: nil)
        let masked = encoded(0x81, length, key: key)
        #expect(masked == [plain[0], plain[1] | 0x80] + plain[2...] + Wire.key)
        #expect(masked.count <= FrameHeader.sizeMax)
    }

    @Test("The headers of RFC 6455 §5.7 are encoded exactly")
    func examples() {
        let key = Wire.key.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        #expect(encoded(0x81, 5, key: nil) == [0x81, 0x05])
        #expect(encoded(0x81, 5, key: key) == [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D])
        #expect(encoded(0x01, 3, key: nil) == [0x01, 0x03])
        #expect(encoded(0x8A, 5, key: key) == [0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D])
        #expect(encoded(0x82, 256, key: nil) == [0x82, 0x7E, 0x01, 0x00])
        #expect(encoded(0x82, 65_536, key: nil) == [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0])
    }

    @Test("A frame that one side encodes is read by the other", arguments: Session.Role.both)
    func roundTrip(role: Session.Role) {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let key: UInt32? = role == .server ? 0x0102_0304 : nil
            var frame = encoded(0x82, length, key: key)
            let start = frame.count
            frame += Wire.pattern(length)
            if let key {
                frame.withUnsafeMutableBytes {
                    Masking.unmask($0.baseAddress! + start, count: length, key: key, phase: 0)
                }
            }
            let read = readStream(frame, role: role)
            #expect(read.transcript.events == [.message(.binary, Wire.pattern(length))])
            #expect(read.faults == [])
        }
    }

    @Test(
        "The opcodes have the numbers of RFC 6455 §11.8, and no others exist", arguments: 0...15)
    func opcodes(number: UInt8) {
        #expect((Opcode(rawValue: number) != nil) == [0, 1, 2, 8, 9, 10].contains(number))
    }
}
