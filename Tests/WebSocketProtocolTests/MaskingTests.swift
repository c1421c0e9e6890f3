import Testing
import WebSocketProtocol

/// A slow and simple second implementation of ``Masking``, its twin: RFC 6455 §5.3 literally.
enum MaskingTwin {
    static func unmask(_ bytes: [UInt8], key: [UInt8], phase: Int) -> [UInt8] {
        bytes.indices.map { bytes[$0] ^ key[(phase + $0) % 4] }
    }
}

@Suite struct MaskingTests {
    static let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
    static var wireKey: UInt32 { key.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) } }

    /// Bytes whose period isn't the size of a word.
    static func payload(_ count: Int, seed: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 + seed) &* 167 &+ ($0 + seed) >> 8) }
    }

    @Test("The masked Hello of RFC 6455 §5.7 is unmasked")
    func example() {
        var bytes: [UInt8] = [0x7F, 0x9F, 0x4D, 0x51, 0x58]
        bytes.withUnsafeMutableBytes {
            Masking.unmask($0.baseAddress!, count: 5, key: Self.wireKey, phase: 0)
        }
        #expect(bytes == Array("Hello".utf8))
    }

    @Test("The result is the twin's, at each length, alignment and phase", arguments: 0..<4)
    func twin(phase: Int) {
        let area = UnsafeMutableRawBufferPointer.allocate(byteCount: 400, alignment: 64)
        defer { area.deallocate() }
        for count in 0...300 {
            let bytes = Self.payload(count)
            let expected = MaskingTwin.unmask(bytes, key: Self.key, phase: phase)
            for alignment in 0...15 {
                area.initializeMemory(as: UInt8.self, repeating: 0xA5)
                let start = 32 + alignment
                area[start..<start + count].copyBytes(from: bytes)
                Masking.unmask(
                    area.baseAddress! + start, count: count, key: Self.wireKey, phase: phase)
                let ok =
                    area[start..<start + count].elementsEqual(expected)
                    && area[..<start].allSatisfy { $0 == 0xA5 }
                    && area[(start + count)...].allSatisfy { $0 == 0xA5 }
                if !ok { Issue.record("count \(count), alignment \(alignment)") }
            }
        }
    }

    @Test("Bytes are copied to another place, and towards the front of the same", arguments: 0..<4)
    func copying(phase: Int) {
        let area = UnsafeMutableRawBufferPointer.allocate(byteCount: 800, alignment: 64)
        defer { area.deallocate() }
        for count in 0...300 {
            let bytes = Self.payload(count)
            let expected = MaskingTwin.unmask(bytes, key: Self.key, phase: phase)
            for distance in [0, 1, 2, 3, 4, 6, 7, 8, 10, 14, 15, 16, 17, 63, 64, 65, 320] {
                area.initializeMemory(as: UInt8.self, repeating: 0xA5)
                let target = 32
                let source = target + distance
                area[source..<source + count].copyBytes(from: bytes)
                Masking.unmask(
                    from: area.baseAddress! + source, to: area.baseAddress! + target,
                    count: count, key: Self.wireKey, phase: phase)
                let ok =
                    area[target..<target + count].elementsEqual(expected)
                    && area[..<target].allSatisfy { $0 == 0xA5 }
                    && area[(source + count)...].allSatisfy { $0 == 0xA5 }
                if !ok { Issue.record("count \(count), distance \(distance)") }
            }
        }
    }

    @Test("Large random payloads, keys and phases agree with the twin")
    func large() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let count = Int.random(in: 301...100_000, using: &random)
            let phase = Int.random(in: 0...1_000_000, using: &random)
            let key = (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) }
            var bytes = Self.payload(count, seed: phase)
            let expected = MaskingTwin.unmask(bytes, key: key, phase: phase)
            let wireKey = key.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
            bytes.withUnsafeMutableBytes {
                Masking.unmask($0.baseAddress!, count: count, key: wireKey, phase: phase)
            }
            #expect(bytes == expected, "count \(count), phase \(phase), key \(key)")
        }
    }

    @Test("A payload that is split anywhere has the same result, if the phase is carried on")
    func split() {
        let bytes = Self.payload(150)
        let expected = MaskingTwin.unmask(bytes, key: Self.key, phase: 0)
        for cut in 0...150 {
            var parts = bytes
            parts.withUnsafeMutableBytes {
                let base = $0.baseAddress!
                Masking.unmask(base, count: cut, key: Self.wireKey, phase: 0)
                Masking.unmask(base + cut, count: 150 - cut, key: Self.wireKey, phase: cut)
            }
            #expect(parts == expected, "cut at \(cut)")
        }
    }
}
